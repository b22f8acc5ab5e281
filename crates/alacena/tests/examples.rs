//! The examples do what they say.

#[expect(dead_code, reason = "its main is for people")]
#[path = "../examples/axum.rs"]
mod in_axum;
#[expect(dead_code, reason = "its main is for people")]
#[path = "../examples/service.rs"]
mod in_a_service;

use std::sync::{Arc, atomic::Ordering::SeqCst};

use alacena::{Alacena, error::Retry};
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

#[tokio::test]
async fn the_service_asks_its_database_once_a_change_and_stands_in_for_it() {
    let database = Arc::new(in_a_service::Database::default());
    let reports = in_a_service::Reports::new(Arc::clone(&database), &Alacena::builder().build()).unwrap();
    for (cents, orders) in [(1999, 1), (500, 2)] {
        reports.order(42, cents).await.unwrap();
        for _ in 0..3 {
            assert_eq!(reports.kpis(42).await.unwrap().unwrap().orders, orders);
        }
    }
    assert_eq!(database.queries.load(SeqCst), 2);
    database.is_down.store(true, SeqCst);
    assert_eq!(reports.kpis(42).await.unwrap().unwrap().revenue, 2499);
    assert!(matches!(reports.kpis(7).await.unwrap_err().retry(), Retry::After(_)));
}

#[tokio::test]
async fn the_application_caches_pages_and_values_and_hears_of_changes() {
    let app = in_axum::router(Alacena::builder().build()).unwrap();
    let ask = async |method: &str, path: &str| -> Response<Body> {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    assert!(!ask("GET", "/menu").await.headers().contains_key("age"));
    assert!(ask("GET", "/menu").await.headers().contains_key("age"), "the second is a hit");
    assert_eq!(ask("POST", "/menu").await.status(), 204);
    assert!(!ask("GET", "/menu").await.headers().contains_key("age"), "the menu has changed");
    let stock = ask("GET", "/stock/paella").await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(stock, "3");
    assert_eq!(ask("GET", "/stock/pizza").await.status(), 404);
}
