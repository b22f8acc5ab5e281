//! An axum application with both kinds of cache: whole answers by a layer, values by a class.
//! `cargo run --example axum`, then `curl -i localhost:3000/menu` twice.

use std::time::Duration;

use alacena::{Alacena, Class, class::Policy, error::Error, ledger::Target};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};

/// What handlers share.
#[derive(Clone)]
struct App {
    alacena: Alacena,
    stock: Class<u64>,
}

/// The application.
///
/// # Errors
/// `Invalid` where `alacena` has classes of these names already.
pub(crate) fn router(alacena: Alacena) -> Result<Router, Error> {
    let minute = Policy { ttl: Duration::from_secs(60), ..Policy::default() };
    // Every answer below it is cached, and depends on the menu.
    let pages = alacena.cache_layer("pages", minute.clone())?.tagged(|_request| vec!["menu".to_owned()]);
    let app = App { stock: alacena.class("stock", minute)?, alacena };
    Ok(Router::new()
        .route("/menu", get(menu))
        .layer(pages)
        // Routes that come after the layer are not below it.
        .route("/menu", post(change_menu))
        .route("/stock/{dish}", get(stock))
        .with_state(app))
}

async fn menu() -> String {
    slow().await;
    "paella, gazpacho".to_owned()
}

async fn change_menu(State(app): State<App>) -> Result<StatusCode, (StatusCode, String)> {
    // The change itself would stand here; whoever asks after this answer sees it.
    app.alacena.invalidate(&[Target::Tag("menu".into())], "kitchen").await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stock(State(app): State<App>, Path(dish): Path<String>) -> Result<Json<u64>, (StatusCode, String)> {
    let count = |dish: String| async move {
        slow().await;
        Ok((dish == "paella").then_some(3))
    };
    let key = dish.clone();
    let outcome = app.stock.get_or_fetch([key], &["stock"], move || count(dish)).await.map_err(problem)?;
    outcome.value().copied().map(Json).ok_or((StatusCode::NOT_FOUND, "not on the menu".to_owned()))
}

fn problem(error: Error) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.to_string())
}

/// What makes a cache worth having.
async fn slow() {
    tokio::task::yield_now().await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, router(Alacena::builder().build())?).await?;
    Ok(())
}
