//! Which encoding a caller wants an answer in (RFC 9110, 12.5.3).

use alacena::{
    Gzip,
    error::{Error, catalogue},
};
use axum::http::{HeaderMap, header::ACCEPT_ENCODING};

/// What the weight of a coding that is not weighed is: as much as there is.
const WHOLE: u16 = 1000;

/// Whether the caller takes gzip, and whether anything else.
///
/// Who says nothing gets the identity, and so does who weighs it heavier. A member that cannot be read says nothing.
///
/// # Errors
/// `Invalid` where neither gzip nor the identity is taken.
pub(crate) fn gzip(headers: &HeaderMap) -> Result<Gzip, Error> {
    if !headers.contains_key(ACCEPT_ENCODING) {
        return Ok(Gzip::Refused);
    }
    let wanted = Wanted::of(headers);
    let gzip = wanted.gzip.or(wanted.any).unwrap_or(0);
    match (gzip, wanted.identity.or(wanted.any)) {
        (0, Some(0)) => Err(Error::new(
            &catalogue::ENCODING_REFUSED,
            "Accept-Encoding takes neither gzip nor the identity",
        )),
        (0, _) => Ok(Gzip::Refused),
        (_, Some(0)) => Ok(Gzip::Required),
        (gzip, Some(identity)) if identity > gzip => Ok(Gzip::Refused),
        _ => Ok(Gzip::Accepted),
    }
}

/// The weights, in thousandths; the first of each.
#[derive(Default)]
struct Wanted {
    gzip: Option<u16>,
    identity: Option<u16>,
    /// Of all that are not named.
    any: Option<u16>,
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for member in values.flat_map(|value| value.split(',')) {
            let (coding, parameters) = match member.split_once(';') {
                Some((coding, parameters)) => (coding.trim(), Some(parameters)),
                None => (member.trim(), None),
            };
            let place = match coding {
                "*" => &mut wanted.any,
                _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
                    &mut wanted.gzip
                }
                _ if coding.eq_ignore_ascii_case("identity") => &mut wanted.identity,
                _ => continue,
            };
            *place = place.or_else(|| parameters.map_or(Some(WHOLE), weight));
        }
        wanted
    }
}

/// The weight that is the only parameter of a coding: 0 to 1 with at most three digits after the point.
fn weight(parameters: &str) -> Option<u16> {
    let (name, value) = parameters.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, digits) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        [100, 10, 1].iter().zip(digits.bytes()).map(|(worth, digit)| worth * u16::from(digit - b'0'));
    match (whole, thousandths.sum()) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(WHOLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_gets_what_it_weighs_most_and_nothing_that_it_refuses() {
        let table: [(&[&str], Option<Gzip>); 34] = [
            (&[], Some(Gzip::Refused)),
            (&[""], Some(Gzip::Refused)),
            (&["gzip, deflate, br, zstd"], Some(Gzip::Accepted)),
            (&["br", "deflate, GZip"], Some(Gzip::Accepted)),
            (&["x-gzip"], Some(Gzip::Accepted)),
            (&["br, deflate"], Some(Gzip::Refused)),
            (&["gzipped"], Some(Gzip::Refused)),
            (&["*"], Some(Gzip::Accepted)),
            (&["identity"], Some(Gzip::Refused)),
            (&["gzip, identity"], Some(Gzip::Accepted)),
            (&["gzip;q=0.5, identity"], Some(Gzip::Refused)),
            (&["gzip;q=0.5, *"], Some(Gzip::Refused)),
            (&["gzip;q=0.5, *;q=0.4"], Some(Gzip::Accepted)),
            (&["gzip;q=0.5"], Some(Gzip::Accepted)),
            (&["gzip;q=0.001"], Some(Gzip::Accepted)),
            (&["gzip;q=0"], Some(Gzip::Refused)),
            (&["gzip;q=0.000, *"], Some(Gzip::Refused)),
            (&["gzip ; Q=1.000 , identity ; q=0"], Some(Gzip::Required)),
            (&["gzip, *;q=0"], Some(Gzip::Required)),
            (&["*, identity;q=0"], Some(Gzip::Required)),
            (&["gzip, identity;q=0.5, *;q=0"], Some(Gzip::Accepted)),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["gzip;q=0, *;q=0"], None),
            (&["br, *;q=0"], None),
            (&["identity;q=0.1, *;q=0"], Some(Gzip::Refused)),
            // What cannot be read says nothing.
            (&["gzip;q=2"], Some(Gzip::Refused)),
            (&["gzip;q=1.001"], Some(Gzip::Refused)),
            (&["gzip;q=0.1234"], Some(Gzip::Refused)),
            (&["gzip;q=-1"], Some(Gzip::Refused)),
            (&["gzip;q="], Some(Gzip::Refused)),
            (&["gzip;level=9"], Some(Gzip::Refused)),
            (&["gzip;q=0.+5"], Some(Gzip::Refused)),
            (&["gzip;q=x, gzip, ,;,*;q=0;"], Some(Gzip::Accepted)),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(gzip(&headers).ok(), expected, "{values:?}");
        }
    }
}
