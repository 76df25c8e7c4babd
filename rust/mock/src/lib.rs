//! A scripted model provider: it speaks every dialect, costs little, and fails on request.
//!
//! `turnout serve --demo` talks to it, the tests make it misbehave, and the bench needs an upstream that is cheaper than
//! what stands before it. It is no product code: nothing in the gateway may depend on what only this mock does.
//!
//! Rules it keeps:
//! - A request without surprises costs three system calls and no JSON parsing: the body is searched for what chooses the
//!   answer, and the answer is bytes that were built once. (What depends on the body, as echo, tools and embeddings do, is parsed and built each time.)
//! - What goes wrong is said by the request, never by state set before, so tests cannot disturb each other.
//! - A client that leaves is noticed at once, also in the middle of a wait.
//! - The same request gets the same bytes: ids and times are constants.
//!
//! A request goes `connection` (read, choose) → `request` (what was asked) → `script` (how to misbehave) → `reply` (which
//! words: `content` is what they say, `dialect` how) → `answer` (bytes and their timing, `event_stream` the frames of
//! one) → `play` (writes); `shelf` keeps prebuilt answers, `record` what was received.
//!
//! ```text
#![doc = include_str!("help.txt")]
//! ```

// A test that cannot go on should stop where it stands.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod connection;
mod content;
mod dialect;
mod event_stream;
mod play;
mod record;
mod reply;
mod request;
mod script;
mod shelf;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use connection::{Shared, serve};
use record::Record;
use shelf::Shelf;

/// The manual: command line, endpoints, models and every key of a script.
pub const HELP: &str = include_str!("help.txt");

/// Connections that may wait to be accepted. A bench opens its thousands at once, and a full queue would cost each a second.
const BACKLOG: u32 = 4096;
/// Rest after a failed accept. It fails when files run out, and then trying again at once only burns the processor.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// A running mock. Dropping it stops it.
#[derive(Debug)]
pub struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    /// Emptied by the first `stop`; held while joining, so that a second caller also waits.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Mock {
    /// Listens on `listen` (`host:port`, port 0 picks one) with `threads` threads (at least one) and starts at once.
    /// With `record` it keeps the requests that it receives, at most 20,000 of them.
    ///
    /// # Errors
    /// When the address cannot be resolved or bound, or no thread can be had.
    pub fn start(listen: &str, threads: usize, record: bool) -> io::Result<Mock> {
        let runtimes: Vec<Runtime> = (0..threads.max(1))
            .map(|_| runtime())
            .collect::<io::Result<_>>()?;
        let listener = {
            let _inside = runtimes[0].enter();
            bind(listen)?
        };
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            record: Record::new(record),
            shelf: Shelf::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let numbers = Arc::new(AtomicU64::new(1));
        let mut handles = Vec::with_capacity(runtimes.len());
        for (index, runtime) in runtimes.into_iter().enumerate() {
            let listener = listener.try_clone()?;
            let (shared, numbers, stopped) =
                (Arc::clone(&shared), Arc::clone(&numbers), stopped.clone());
            let body = move || {
                runtime.block_on(accept(listener, shared, numbers, stopped));
                // Dropping the runtime drops its tasks, and with them their sockets.
            };
            handles.push(
                thread::Builder::new()
                    .name(format!("mock-{index}"))
                    .spawn(body)?,
            );
        }
        Ok(Mock {
            address,
            shared,
            stop,
            threads: Mutex::new(handles),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `GET /__mock/received` says: the recorded requests, oldest first, and the counters.
    pub fn received_json(&self) -> String {
        self.shared.record.json()
    }

    /// Forgets records and counters, and lets each script with `times` start again.
    pub fn reset(&self) {
        self.shared.record.reset();
        self.shared.shelf.reset();
    }

    /// Closes the listener and every connection, and joins the threads. May be called again.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A thread that panicked has printed why; it is as stopped as any other.
            let _ = thread.join();
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop();
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

/// The first address of `listen` that can be bound.
fn bind(listen: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for address in listen.to_socket_addrs()? {
        let bound = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }
        .and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)?.into_std()
        });
        match bound {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(io::Error::new(
        failure.kind(),
        format!("the mock cannot listen on {listen}: {failure}"),
    ))
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    numbers: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let forever = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Without it Nagle's algorithm holds back each event until the one before is acknowledged.
                    let _ = stream.set_nodelay(true);
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(stream, Arc::clone(&shared), number));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            }
        }
    };
    tokio::select! {
        () = forever => {}
        // An error means that the mock itself is gone, which is the same order.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}
