//! A dam in the stream between `pull` and whom it asks: lets so many bytes of answers through, then holds the rest until it is
//! opened. With it a test interrupts a download at an exact byte, without waiting for any clock. It also keeps what was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// For hangs, not for slowness.
const PATIENCE: Duration = Duration::from_secs(120);
const PIECE: usize = 4096;

pub struct Dam {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    level: Mutex<Level>,
    moved: Condvar,
}

#[derive(Default)]
struct Level {
    /// What may still pass; `None` is everything.
    left: Option<u64>,
    /// Connections that wait for the dam to open.
    held: usize,
    asked: Vec<u8>,
}

impl Dam {
    /// In front of `http://HOST:PORT`, open.
    pub fn before(url: &str) -> Self {
        let upstream = url.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared { upstream, level: Mutex::default(), moved: Condvar::new() });
        let accepting = Arc::clone(&shared);
        // Ends with the test's process; an idle listener harms nobody.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.join(client);
            }
        });
        Self { url, shared }
    }

    /// Lets so many bytes of answers through from now on, then holds.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.level.lock().expect("a lock").left = Some(bytes);
    }

    /// Lets everything through.
    pub fn open(&self) {
        self.shared.level.lock().expect("a lock").left = None;
        self.shared.moved.notify_all();
    }

    /// Waits until some answer is held, or the child has ended by itself. Whether it was held.
    pub fn holds(&self, child: &mut Child) -> bool {
        let began = Instant::now();
        let mut level = self.shared.level.lock().expect("a lock");
        while level.held == 0 {
            if child.try_wait().expect("a state").is_some() {
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "nothing was held");
            level = self.shared.moved.wait_timeout(level, Duration::from_millis(20)).expect("a lock").0;
        }
        true
    }

    /// Everything that was asked through it.
    pub fn asked(&self) -> String {
        String::from_utf8_lossy(&self.shared.level.lock().expect("a lock").asked).into_owned()
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.upstream) else { return };
        let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else { return };
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut piece = [0; PIECE];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                shared.level.lock().expect("a lock").asked.extend_from_slice(&piece[..read]);
                if to.write_all(&piece[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || shared.answers(server, client));
    }

    fn answers(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; PIECE];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            let mut sent = 0;
            while sent < read {
                let some = self.passes((read - sent) as u64) as usize;
                if to.write_all(&piece[sent..sent + some]).is_err() {
                    return;
                }
                sent += some;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits until something may pass; gives how much of `wanted`.
    fn passes(&self, wanted: u64) -> u64 {
        let mut level = self.level.lock().expect("a lock");
        while level.left == Some(0) {
            level.held += 1;
            self.moved.notify_all();
            level = self.moved.wait(level).expect("a lock");
            level.held -= 1;
        }
        let some = level.left.map_or(wanted, |left| left.min(wanted));
        level.left = level.left.map(|left| left - some);
        some
    }
}
