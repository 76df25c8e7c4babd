//! One data-plane thread: a single-threaded runtime that accepts, serves and forwards, and shares nothing it can keep.
//!
//! Every connection lives and dies on the thread that took it, with that thread's pools, counters and journal. Threads
//! meet in [`Shared`] only, in atomics and in the snapshot pointer.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Cache};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::authenticate::Remembered;
use crate::budget::Budgets;
use crate::cache;
use crate::caller::Seat;
use crate::clock::{self, Instant};
use crate::edge;
use crate::journal::{Journal, Writer};
use crate::limits::Limits;
use crate::metrics::{Counter, Metrics, Shard};
use crate::probe;
use crate::route::router::judge::Memory;
use crate::route::sticky;
use crate::snapshot::Snapshot;
use crate::socket::Socket;
use crate::statistics::Registry;
use crate::upstream::connection::Connection;
use crate::upstream::origin::Origins;
use crate::upstream::pool::Pool;

/// Life of the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running = 0,
    /// Not ready any more, still accepting; answers close their connections.
    Draining = 1,
    /// Not accepting.
    Closing = 2,
}

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) origins: Arc<Origins>,
    pub(crate) statistics: Registry,
    pub(crate) limits: Limits,
    pub(crate) budgets: Budgets,
    pub(crate) sticky: sticky::Table,
    /// What the judge of the auto router has said.
    pub(crate) judgements: Memory,
    /// Answers that may be given again.
    pub(crate) cache: cache::store::Store,
    /// Held while a snapshot is read and swapped, so that generations are in order.
    pub(crate) swapping: Mutex<()>,
    pub(crate) generation: AtomicU64,
    /// Swapped-out snapshots. The background frees each when its last request has ended: freeing 100,000 keys takes
    /// milliseconds, which no request shall wait for.
    pub(crate) retired: Mutex<Vec<Arc<Snapshot>>>,
    phase: AtomicU8,
    pub(crate) requests_in_flight: AtomicUsize,
    /// Connections whose first request has not been served yet. See [`Fresh`].
    fresh: AtomicUsize,
    /// Accept loops that have not ended: the kernel may hold connections for us until it is zero.
    accepting: AtomicUsize,
    /// Per thread, for hand-over and metrics.
    pub(crate) connections: Vec<AtomicUsize>,
    pub(crate) upstream_idle: Vec<AtomicUsize>,
    pub(crate) control_socket: Option<PathBuf>,
    pub(crate) tls: ArcSwapOption<ServerConfig>,
    /// Texts for health; each is short and held for a copy.
    pub(crate) reload_error: Mutex<Option<String>>,
    pub(crate) ledger_error: Mutex<Option<String>>,
    pub(crate) tls_error: Mutex<Option<String>>,
    pub(crate) started: Instant,
    pub(crate) background_stop: Arc<AtomicBool>,
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is made by another part before the threads are"
    )]
    pub(crate) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        journal: Arc<Journal>,
        metrics: Arc<Metrics>,
        origins: Origins,
        statistics: Registry,
        limits: Limits,
        threads: usize,
        control_socket: Option<PathBuf>,
    ) -> Shared {
        Shared {
            snapshot,
            journal,
            metrics,
            origins: Arc::new(origins),
            statistics,
            limits,
            budgets: Budgets::default(),
            sticky: sticky::Table::default(),
            judgements: Memory::default(),
            cache: cache::store::Store::default(),
            swapping: Mutex::new(()),
            generation: AtomicU64::new(1),
            retired: Mutex::new(Vec::new()),
            phase: AtomicU8::new(Phase::Running as u8),
            requests_in_flight: AtomicUsize::new(0),
            fresh: AtomicUsize::new(0),
            accepting: AtomicUsize::new(0),
            connections: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            upstream_idle: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            control_socket,
            tls: ArcSwapOption::empty(),
            reload_error: Mutex::new(None),
            ledger_error: Mutex::new(None),
            tls_error: Mutex::new(None),
            started: Instant::now(),
            background_stop: Arc::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Closing,
        }
    }

    /// Moves on; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// Says how many accept loops there will be.
    pub(crate) fn expect_accepting(&self, loops: usize) {
        self.accepting.store(loops, Ordering::Relaxed);
    }

    /// Whether every connection that the kernel had greeted has been taken and has had its chance to be served.
    pub(crate) fn has_welcomed_all(&self) -> bool {
        self.accepting.load(Ordering::Acquire) == 0 && self.fresh.load(Ordering::Acquire) == 0
    }

    pub(crate) fn connections_open(&self) -> usize {
        self.connections
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Held by a connection from its acceptance until its first request has been served.
///
/// A client whose connection was accepted just before the plane closes has sent its request, or will at once. It must
/// not find the connection closed as an idle one would be: nobody told it that the gateway was leaving.
pub(crate) struct Fresh(Arc<Shared>);

/// How long after its acceptance a connection counts as fresh when the plane closes: a round trip or two.
pub(crate) const FRESH_TIME: Duration = Duration::from_secs(1);

impl Fresh {
    fn new(shared: &Arc<Shared>) -> Fresh {
        shared.fresh.fetch_add(1, Ordering::Relaxed);
        Fresh(Arc::clone(shared))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.0.fresh.fetch_sub(1, Ordering::Release);
    }
}

/// What a thread is told.
pub(crate) enum Command {
    /// A connection that another thread accepted.
    Serve(std::net::TcpStream, SocketAddr, Fresh),
    StopAccepting,
    /// Close connections between two requests, now and from now on.
    CloseIdle,
    /// End every request, too.
    EndAll,
    Quit,
}

/// Commands that may wait for a thread; a connection that finds no room is served where it was accepted.
pub(crate) const INBOX_MAX: usize = 1024;
/// A connection moves to another thread when that one has this many fewer. Two, so that two clients with one
/// connection each never share a thread while the other idles, and none moves for nothing.
const HAND_OVER_DIFFERENCE: usize = 2;

/// Room of this size is kept for the next body; most fit.
const BODY_BYTES_KEPT: usize = 64 << 10;

/// One thread's own.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Shard>,
    pub(crate) journal: RefCell<Writer>,
    pub(crate) pool: RefCell<Pool>,
    /// Kept connections to the control side.
    pub(crate) control_pool: RefCell<Vec<Connection>>,
    /// Request heads and small bodies are put together here before they are sent; empty between uses.
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Room for what a record says of its client, handed on from request to request.
    pub(crate) client: RefCell<Vec<u8>>,
    /// Room for a request's body, handed on likewise.
    body: RefCell<Vec<u8>>,
    /// Connections to the server that keeps answers.
    pub(crate) links: cache::remote::Links,
    pub(crate) remembered: RefCell<Remembered>,
    /// The last client's address as text: formatting one costs more than anything else in its record.
    address_text: RefCell<(IpAddr, String)>,
    cache: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    seats: RefCell<HashMap<u64, Rc<Seat>>>,
    next_seat: Cell<u64>,
}

impl Thread {
    /// An empty buffer for a request's body.
    #[inline]
    pub(crate) fn room_for_body(&self) -> Vec<u8> {
        let mut room = std::mem::take(&mut *self.body.borrow_mut());
        room.clear();
        room
    }

    /// Keeps the room of a body that is not needed any more, unless it is large.
    #[inline]
    pub(crate) fn keep_room_for_body(&self, body: Vec<u8>) {
        if body.capacity() <= BODY_BYTES_KEPT {
            *self.body.borrow_mut() = body;
        }
    }

    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Thread {
        Thread {
            index,
            metrics: shared.metrics.shard(index),
            journal: RefCell::new(shared.journal.writer(index)),
            pool: RefCell::default(),
            control_pool: RefCell::default(),
            scratch: RefCell::default(),
            client: RefCell::default(),
            body: RefCell::default(),
            links: cache::remote::Links::default(),
            remembered: RefCell::default(),
            address_text: RefCell::new((
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                String::from("0.0.0.0"),
            )),
            cache: RefCell::new(Cache::new(Arc::clone(&shared.snapshot))),
            seats: RefCell::default(),
            next_seat: Cell::new(0),
            shared,
        }
    }

    /// The running configuration, to be kept for the length of one request.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.cache.borrow_mut().load())
    }

    /// An address as text.
    pub(crate) fn address_text(&self, address: IpAddr) -> Ref<'_, str> {
        if self.address_text.borrow().0 != address {
            *self.address_text.borrow_mut() = (address, address.to_string());
        }
        Ref::map(self.address_text.borrow(), |(_, text)| text.as_str())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.shared.phase() > Phase::Running
    }

    /// A seat for the running task, and what gives it up.
    pub(crate) async fn take_seat(self: &Rc<Self>) -> (Rc<Seat>, Registered) {
        let seat = Seat::of_this_task().await;
        // Taken too late to be told.
        seat.closing.set(self.shared.phase() == Phase::Closing);
        let id = self.next_seat.get();
        self.next_seat.set(id + 1);
        self.seats.borrow_mut().insert(id, Rc::clone(&seat));
        (
            seat,
            Registered {
                thread: Rc::clone(self),
                id,
            },
        )
    }
}

/// Gives a seat up when the task ends, however it ends.
pub(crate) struct Registered {
    thread: Rc<Thread>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.thread.seats.borrow_mut().remove(&self.id);
        // The runtime ends the task and its connection; the rest of the thread goes on.
        if std::thread::panicking() {
            self.thread.metrics.count(Counter::Panicked);
        }
    }
}

/// Runs until told to quit.
pub(crate) async fn run(
    thread: Rc<Thread>,
    listeners: Vec<std::net::TcpListener>,
    mut inbox: mpsc::Receiver<Command>,
    siblings: Vec<mpsc::Sender<Command>>,
) {
    let accepting = Rc::new(Cell::new(true));
    let stop = Rc::new(tokio::sync::Notify::new());
    let siblings = Rc::new(siblings);
    for listener in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let (thread, stop, accepting, siblings) = (
                    Rc::clone(&thread),
                    Rc::clone(&stop),
                    Rc::clone(&accepting),
                    Rc::clone(&siblings),
                );
                tokio::task::spawn_local(accept(thread, listener, stop, accepting, siblings));
            }
            Err(_) => {
                thread.metrics.count(Counter::ConnectionRefused);
                thread.shared.accepting.fetch_sub(1, Ordering::Release);
            }
        }
    }
    let housekeeping = tokio::task::spawn_local(keep_house(Rc::clone(&thread)));
    // One for the process.
    let prober =
        (thread.index == 0).then(|| tokio::task::spawn_local(probe::run(Rc::clone(&thread))));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Serve(stream, peer, fresh) => {
                let adopted = TcpStream::from_std(stream);
                thread.shared.connections[thread.index].fetch_sub(1, Ordering::Relaxed);
                match adopted {
                    Ok(stream) => serve(&thread, stream, peer, fresh),
                    Err(_) => thread.metrics.count(Counter::ConnectionRefused),
                }
            }
            Command::StopAccepting => {
                accepting.set(false);
                stop.notify_waiters();
            }
            Command::CloseIdle => thread.seats.borrow().values().for_each(|seat| seat.close()),
            Command::EndAll => thread.seats.borrow().values().for_each(|seat| seat.end()),
            Command::Quit => break,
        }
    }
    housekeeping.abort();
    if let Some(prober) = prober {
        prober.abort();
    }
}

/// Once a second: old connections are closed, and an old snapshot is let go.
async fn keep_house(thread: Rc<Thread>) {
    let mut tick = clock::every(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let mut pool = thread.pool.borrow_mut();
        pool.sweep();
        thread.shared.upstream_idle[thread.index].store(pool.idle(), Ordering::Relaxed);
        drop(pool);
        thread
            .control_pool
            .borrow_mut()
            .retain(|connection| !connection.is_stale());
        thread.cache.borrow_mut().load();
    }
}

async fn accept(
    thread: Rc<Thread>,
    listener: TcpListener,
    stop: Rc<tokio::sync::Notify>,
    accepting: Rc<Cell<bool>>,
    siblings: Rc<Vec<mpsc::Sender<Command>>>,
) {
    // Told to stop before the first look, it only empties the queue.
    while accepting.get() {
        room(&thread, &accepting).await;
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stop.notified() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Another thread may have taken the last place while this one waited for a connection.
                room(&thread, &accepting).await;
                place(&thread, stream, peer, &siblings);
            }
            Err(error) => {
                thread.metrics.count(Counter::ConnectionRefused);
                // Out of file descriptors: the connection stays in the backlog, and trying again at once would spin.
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
                ) {
                    clock::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    // What is in the queue has been greeted by the kernel: it is served before the socket is let go.
    while let Ok(Ok((stream, peer))) = clock::timeout(Duration::ZERO, listener.accept()).await {
        let _ = stream.set_nodelay(true);
        let fresh = Fresh::new(&thread.shared);
        serve(&thread, stream, peer, fresh);
    }
    thread.shared.accepting.fetch_sub(1, Ordering::Release);
}

/// Waits until there is room for another connection. At the bound, connections wait in the kernel's backlog (and one for
/// each thread here) instead of being refused.
async fn room(thread: &Rc<Thread>, accepting: &Cell<bool>) {
    while thread.shared.connections_open() >= thread.snapshot().server.limits.connections_max
        && accepting.get()
    {
        clock::sleep(Duration::from_millis(5)).await;
    }
}

/// Serves a connection here, or hands it to a thread that has clearly fewer.
fn place(
    thread: &Rc<Thread>,
    stream: TcpStream,
    peer: SocketAddr,
    siblings: &[mpsc::Sender<Command>],
) {
    let _ = stream.set_nodelay(true);
    let fresh = Fresh::new(&thread.shared);
    let counts = &thread.shared.connections;
    let mine = counts[thread.index].load(Ordering::Relaxed);
    let least = counts
        .iter()
        .enumerate()
        .min_by_key(|(_, count)| count.load(Ordering::Relaxed));
    if let Some((index, count)) = least
        && index != thread.index
        && mine + 1 >= count.load(Ordering::Relaxed) + HAND_OVER_DIFFERENCE
        && let Some(sibling) = siblings.get(index)
        && let Ok(permit) = sibling.try_reserve()
    {
        match stream.into_std() {
            Ok(stream) => {
                // Counted at once, so that a burst is not sent to one thread whole.
                count.fetch_add(1, Ordering::Relaxed);
                permit.send(Command::Serve(stream, peer, fresh));
            }
            Err(_) => thread.metrics.count(Counter::ConnectionRefused),
        }
        return;
    }
    serve(thread, stream, peer, fresh);
}

fn serve(thread: &Rc<Thread>, stream: TcpStream, peer: SocketAddr, fresh: Fresh) {
    let thread = Rc::clone(thread);
    thread.shared.connections[thread.index].fetch_add(1, Ordering::Relaxed);
    let open = Open(Rc::clone(&thread));
    thread.metrics.count(Counter::ConnectionAccepted);
    tokio::task::spawn_local(async move {
        let _open = open;
        let (seat, _registered) = thread.take_seat().await;
        let Some(tls) = thread.shared.tls.load_full() else {
            return edge::h1::serve(thread, Socket::Tcp(stream), peer, seat, fresh).await;
        };
        let time = thread.snapshot().server.header_time;
        match clock::timeout(time, tokio_rustls::TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => {
                let socket = Socket::Tls(Box::new(stream.into()));
                edge::h1::serve(thread, socket, peer, seat, fresh).await;
            }
            Ok(Err(_)) | Err(_) => thread.metrics.count(Counter::TlsHandshakeFailed),
        }
    });
}

/// Counts a connection for as long as it is open.
struct Open(Rc<Thread>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shared.connections[self.0.index].fetch_sub(1, Ordering::Relaxed);
    }
}
