"""Links, keys, webhook signatures and secrets at rest: what proves who may do what."""
