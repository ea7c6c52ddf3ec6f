"""Reading what others recorded, in the words of the domain."""
