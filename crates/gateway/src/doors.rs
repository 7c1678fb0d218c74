//! The HTTP doors: sockets, the one thread behind them, and their bounds.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use broker::{Observation, Observer, Standing};
use env::net::{BlockingTcpListener, TcpListener, TcpStream};
use env::{Instant, WallTime};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, oneshot};

use crate::{health, metrics};

/// Connections open at a time, over all doors; one more waits for one to end.
const CONNECTIONS_MAX: usize = 64;
/// A request's head must have come by then; a connection without requests ends.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest that a connection lives, so that readers who do not read can't hold all of them.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(600);
/// After so long without an answer the broker's I/O thread counts as stuck.
const OBSERVE_TIME_MAX: Duration = Duration::from_secs(5);

/// One door.
#[derive(Clone, Debug)]
pub struct DoorOptions {
    /// An address or a name of this machine.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
}

/// Which doors are open.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// `/metrics`.
    pub metrics: Option<DoorOptions>,
    /// `/health` and below.
    pub health: Option<DoorOptions>,
    /// Partitions that have series of their own, in the order of their topics' names; 0: none has.
    pub partitions_max: usize,
    /// The program's version, to be told.
    pub version: &'static str,
}

/// The doors could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is in use or not this machine's.
    #[error(
        "{door}.port: cannot listen on {host}:{port}: {error}; take another port, or set {door}.enabled to false"
    )]
    Listen {
        /// The door, as its settings are called.
        door: &'static str,
        /// Where it should have been.
        host: String,
        /// Likewise.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// No thread for them.
    #[error("cannot start the thread of the HTTP doors: {0}")]
    Thread(io::Error),
}

/// The doors, open until this is dropped.
pub struct Gateway {
    watched: Arc<Watched>,
    addresses: Vec<(&'static str, SocketAddr)>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What is shown behind the doors.
pub(crate) struct Watched {
    /// Set once the broker serves.
    observer: OnceLock<Observer>,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) began: Instant,
    pub(crate) began_at: WallTime,
    pub(crate) partitions_max: usize,
    pub(crate) version: &'static str,
}

/// What asking the broker came to.
pub(crate) enum Observed<T> {
    Starting,
    /// Its I/O thread does not answer.
    Stuck,
    Serving(T),
}

impl Watched {
    /// All that is counted.
    pub(crate) async fn observe(&self) -> Observed<Box<Observation>> {
        let Some(observer) = self.observer.get() else { return Observed::Starting };
        answered(async { observer.observe().await.map(Box::new) }).await
    }

    /// Whether all is well.
    pub(crate) async fn standing(&self) -> Observed<Standing> {
        let Some(observer) = self.observer.get() else { return Observed::Starting };
        answered(observer.standing()).await
    }
}

async fn answered<T>(answer: impl Future<Output = Option<T>>) -> Observed<T> {
    match env::timeout(OBSERVE_TIME_MAX, answer).await {
        Some(Some(answer)) => Observed::Serving(answer),
        _ => Observed::Stuck,
    }
}

impl Gateway {
    /// Binds the doors and begins to answer: what there is to tell before a broker serves is that it starts.
    ///
    /// # Errors
    /// [`OpenError`]; no door is open then.
    pub fn open(options: &GatewayOptions) -> Result<Self, OpenError> {
        let watched = Arc::new(Watched {
            observer: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
            began: Instant::now(),
            began_at: WallTime::now(),
            partitions_max: options.partitions_max,
            version: options.version,
        });
        let wanted = [
            ("metrics", &options.metrics, metrics::routes(watched.clone())),
            ("health", &options.health, health::routes(watched.clone())),
        ];
        let (mut doors, mut addresses) = (Vec::new(), Vec::new());
        for (name, door, routes) in wanted {
            let Some(door) = door else { continue };
            let (socket, address) = bind(name, door)?;
            addresses.push((name, address));
            doors.push((socket, routes));
        }
        let mut gateway = Self { watched, addresses, thread: None };
        if !doors.is_empty() {
            let (stop, stopped) = oneshot::channel();
            let thread = env::spawn_thread("gateway", move || run(doors, stopped));
            gateway.thread = Some((stop, thread.map_err(OpenError::Thread)?));
        }
        Ok(gateway)
    }

    /// The doors' names and bound addresses.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.addresses.iter().copied()
    }

    /// The broker serves: from now on it is asked.
    pub fn serving(&self, observer: Observer) {
        // A second broker behind the same doors is nobody's intention: the first one stays.
        let _ = self.watched.observer.set(observer);
    }

    /// The broker is told to stop: it is not ready any more.
    pub fn stopping(&self) {
        self.watched.is_stopping.store(true, Ordering::Relaxed);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn bind(door: &'static str, options: &DoorOptions) -> Result<(BlockingTcpListener, SocketAddr), OpenError> {
    let DoorOptions { host, port } = options.clone();
    let bound = env::net::listen_blocking(&host, port).and_then(|socket| Ok((socket.local_addr()?, socket)));
    match bound {
        Ok((address, socket)) => Ok((socket, address)),
        Err(error) => Err(OpenError::Listen { door, host, port, error }),
    }
}

/// The thread of the doors, until the gateway is dropped.
fn run(doors: Vec<(BlockingTcpListener, Router)>, stopped: oneshot::Receiver<()>) {
    let served = env::task::block_on_io_thread(async {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        for (socket, routes) in doors {
            let socket = env::net::adopt(socket)?;
            env::spawn_local(accept_all(socket, routes, permits.clone()));
        }
        let _ = stopped.await;
        Ok::<(), io::Error>(())
    });
    if let Err(error) = served.and_then(|served| served) {
        tracing::error!(%error, "metrics and health can't be served");
    }
}

/// Accepts connections, for ever; a local task.
async fn accept_all(socket: TcpListener, routes: Router, permits: Arc<Semaphore>) {
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                env::spawn_local(async move {
                    env::timeout(CONNECTION_TIME_MAX, serve(stream, routes)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics or health could not be accepted");
                env::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics or health ended");
    }
}
