//! The port for probes and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;

use super::metrics::Metrics;

/// Serves `/livez`, `/readyz` and `/metrics` until `stop` says so.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    ready: Receiver<bool>,
    mut stop: Receiver<bool>,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz).with_state(ready))
        .route("/metrics", get(page).with_state(metrics));
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            // A sender that is gone means a process that ends.
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}

async fn readyz(State(ready): State<Receiver<bool>>) -> impl IntoResponse {
    if *ready.borrow() {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the stores are not filled yet",
        )
    }
}

async fn page(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    match metrics.encode() {
        Ok(page) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            page,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
