{
  "key": "y+RDJFLk5/iOfQcQNpVyOgqRLPIwI6OuyLpDKNI5WOs=",
  "signature": "rET9YZYSEqh79XF6bAo8HNBnSRgaip9AKSJnOYwoCEA40tlWnI1Zvtoidn6Gi7G/2FAL55sZaH6DV8jonsz+BA=="
}
