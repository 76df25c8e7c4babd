//! OpenAI's responses, as a provider's protocol.
//!
//! | file | is |
//! | --- | --- |
//! | `write` | a wish becomes a request: everything is said in it, and nothing is kept there (`store:false`) |
//! | `answer` | a response object is read |
//! | `stream` | events are read |

mod answer;
mod stream;
mod write;

pub(crate) use answer::{failure, finish, read_answer, usage};
pub(crate) use stream::{Reader, fault};
pub(crate) use write::write;
