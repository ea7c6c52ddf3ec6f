"""What stands in gRPC headers, beside the messages."""

#: Of a stream that the gateway took. One that it refused has headers too, for a moment, before it ends.
TAKEN = ("drl-stream", "taken")
