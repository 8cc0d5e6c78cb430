//! A proxy before the API server that speaks HTTP and answers in its place.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kube::Client;
use rand::RngExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::wait::DEADLINE;

/// Ends when it is dropped.
pub struct HttpProxy {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    serving: AbortHandle,
    _folder: TempDir,
}

struct Shared {
    client: Client,
    percent: AtomicU64,
    failures: AtomicU64,
    held: Mutex<Vec<Arc<Gate>>>,
}

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the API server hears of it.
    Request,
    /// Once the API server has answered.
    Answer,
}

/// One call that is held on its way until it is let go.
pub struct Held(Arc<Gate>);

struct Gate {
    at: At,
    method: Method,
    path_end: String,
    came: Semaphore,
    may_go: Semaphore,
}

impl Held {
    /// Waits for the call.
    pub async fn came(&self) {
        let came = timeout(DEADLINE, self.0.came.acquire()).await;
        came.expect("the call came").unwrap().forget();
    }

    pub fn let_go(self) {
        self.0.may_go.add_permits(1);
    }
}

impl HttpProxy {
    pub async fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let through: String = fs::read_to_string(&cluster.kubeconfig)
            .unwrap()
            .lines()
            .map(|line| match line.split_once("server: ") {
                Some((before, _)) => format!("{before}server: http://{address}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        fs::write(&kubeconfig, through).unwrap();
        let shared = Arc::new(Shared {
            client: cluster.client.clone(),
            percent: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            held: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            kubeconfig,
            shared,
            serving: serving.abort_handle(),
            _folder: folder,
        }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Of a hundred requests so many fail from now on.
    pub fn fail(&self, percent: u64) {
        self.shared.percent.store(percent, Ordering::Relaxed);
    }

    /// Holds the next call of this method whose path ends so.
    pub fn hold(&self, at: At, method: Method, path_end: &str) -> Held {
        let gate = Arc::new(Gate {
            at,
            method,
            path_end: path_end.to_owned(),
            came: Semaphore::new(0),
            may_go: Semaphore::new(0),
        });
        self.shared.held.lock().unwrap().push(Arc::clone(&gate));
        Held(gate)
    }

    /// How many requests failed here.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let fails = rand::rng().random_range(0..100) < shared.percent.load(Ordering::Relaxed);
    let kind = rand::rng().random_range(0..4);
    if fails {
        shared.failures.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = refusal(kind) {
            return refusal;
        }
    }
    let (mut parts, body) = request.into_parts();
    // The client has an account and a server of its own to name.
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove(HOST);
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let request = Request::from_parts(parts, kube::client::Body::from(body));
    shared.hold(At::Request, &method, &path).await;
    let answer = shared.client.send(request).await;
    shared.hold(At::Answer, &method, &path).await;
    match answer {
        // It was carried out, and nobody is told.
        Ok(_) if fails => failure(500, "InternalError"),
        Ok(answer) => answer.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Shared {
    async fn hold(&self, at: At, method: &Method, path: &str) {
        let gate = {
            let mut held = self.held.lock().unwrap();
            let found = held.iter().position(|gate| {
                gate.at == at && gate.method == *method && path.ends_with(&gate.path_end)
            });
            found.map(|n| held.remove(n))
        };
        if let Some(gate) = gate {
            gate.came.add_permits(1);
            gate.may_go.acquire().await.unwrap().forget();
        }
    }
}

/// Says no before anything is done; none where the answer to what was done gets lost.
fn refusal(kind: u8) -> Option<Response> {
    Some(match kind {
        0 => failure(409, "Conflict"),
        1 => failure(429, "TooManyRequests"),
        2 => failure(500, "InternalError"),
        _ => return None,
    })
}

fn failure(code: u16, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a storm", "reason": reason, "code": code,
    });
    let code = StatusCode::from_u16(code).unwrap();
    let headers = [(RETRY_AFTER, "1"), (CONTENT_TYPE, "application/json")];
    (code, headers, status.to_string()).into_response()
}
