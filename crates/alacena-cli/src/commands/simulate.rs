//! `alacena simulate jobnimbus`.

use alacena::{
    SystemRuntime,
    error::{Error, catalogue},
    secret::Secret,
};

use crate::{
    args::{Jobnimbus, Simulate, Simulated},
    failure::Failure,
    say::{self, Paint},
    signals::Signals,
    simulate::{self, Settings},
};

pub(super) async fn run(arguments: Simulate) -> Result<(), Failure> {
    match arguments.what {
        Simulated::Jobnimbus(arguments) => jobnimbus(arguments).await,
    }
}

async fn jobnimbus(arguments: Jobnimbus) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let listener = alacena_server::bind(arguments.listen).await?;
    let failed =
        |cause: std::io::Error| Error::new(&catalogue::LISTEN_FAILED, cause.to_string()).caused_by(cause);
    let address = listener.local_addr().map_err(failed)?;
    let settings = Settings {
        key: Secret::new(&arguments.key),
        seed: arguments.seed,
        latency: arguments.latency,
        failure: arguments.failing,
        fail_rate: arguments.fail_rate,
    };
    let paint = Paint::stdout();
    say::answer(&format!(
        "listening on {}\n{}",
        paint.command(&format!("http://{address}/api1")),
        paint.faint(&format!("switches at http://{address}/simulator/failure, latency and calls; `--help` shows them. Ctrl-C ends it.")),
    ));
    let stop = async move { signals.next().await };
    simulate::serve(listener, settings, SystemRuntime::shared(), stop).await.map_err(failed)?;
    Ok(())
}
