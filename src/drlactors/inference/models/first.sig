{
  "key": "Lw51o4tkOUuHIQZq64MswmZpxeqppVVOH9IgdQ0Tsko=",
  "signature": "i3g8KRdkmaMGTwAHgbjIVkfUgncrZf8np4D+tA+NqUXkkOHGFO+jbSjWDCDIsPZ5uPLxdzuGQUn84OHnAh8UBA=="
}
