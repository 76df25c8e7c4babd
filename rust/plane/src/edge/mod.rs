//! Where clients connect: listening, TLS, HTTP/1.1 and HTTP/2, and nothing that knows what a model is.

pub(crate) mod chunked;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod head;
pub(crate) mod tls;
