"""Stand-ins for the native module, so that the Python side is tested without building Rust."""
