"""The gRPC face of the bus: sandboxes that do not speak NATS say and hear the same messages through it."""
