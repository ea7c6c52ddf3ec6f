{
  "key": "y+RDJFLk5/iOfQcQNpVyOgqRLPIwI6OuyLpDKNI5WOs=",
  "signature": "/Gl1adlRCjYSO3f7oRpnDQWeBOoxR11B+ZPiGVm9RC3/IU+ow6L9hFmN1jbHyljry8zeQSLngW4JG7SktPh5Bg=="
}
