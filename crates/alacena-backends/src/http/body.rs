//! The answer's body, within limits: reading stops at the first byte too many.

use alacena_core::error::{Error, catalogue};
use http::{HeaderMap, header::CONTENT_ENCODING};
use reqwest::Response;

use super::{
    failure::Failure,
    gunzip::{Gunzip, Refusal},
};

/// The whole body, decompressed; dropping what is left of the response hangs up on the source.
pub(super) async fn receive(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut gunzip = is_gzip(response.headers()).map_err(Failure::unusable)?.then(|| Gunzip::new(bytes_max));
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > bytes_max {
        return Err(Failure::unusable(too_large(bytes_max)));
    }
    let mut plain = Vec::with_capacity(if gunzip.is_some() { 0 } else { announced });
    let mut arrived = 0;
    while let Some(piece) = response.chunk().await.map_err(Failure::transport)? {
        arrived += piece.len();
        if arrived > bytes_max {
            return Err(Failure::unusable(too_large(bytes_max)));
        }
        match &mut gunzip {
            Some(gunzip) => gunzip.push(&piece).map_err(|refusal| refuse(refusal, bytes_max))?,
            None => plain.extend_from_slice(&piece),
        }
    }
    match gunzip {
        // A source may say gzip about a body that is not there.
        Some(gunzip) if arrived > 0 => gunzip.finish().map_err(|refusal| refuse(refusal, bytes_max)),
        _ => Ok(plain),
    }
}

/// Whether the body is compressed, by the one coding that we ask for.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter().filter(|coding| *coding != "identity");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"gzip") || coding == "x-gzip" => {
            Ok(true)
        }
        _ => Err(Error::new(
            &catalogue::ANSWER_MALFORMED,
            "it is compressed, but not by gzip once, as was asked for",
        )),
    }
}

fn refuse(refusal: Refusal, bytes_max: usize) -> Failure {
    Failure::unusable(match refusal {
        Refusal::TooLarge => too_large(bytes_max),
        Refusal::Bomb => Error::new(
            &catalogue::ANSWER_TOO_LARGE,
            "it decompresses to more than 100 times its size, as no honest answer does",
        ),
        Refusal::Corrupt => {
            Error::new(&catalogue::ANSWER_MALFORMED, "its gzip data is damaged or incomplete")
        }
    })
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(&catalogue::ANSWER_TOO_LARGE, format!("it has more than {bytes_max} bytes"))
}
