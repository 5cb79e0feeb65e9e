use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    certificate: CertificateArgs,
}

fn parse(words: &[&str]) -> Result<CertificateArgs, String> {
    let line = Line::try_parse_from([&["injector"], words].concat());
    line.map(|line| line.certificate).map_err(|error| error.to_string())
}

#[test]
fn a_time_has_a_unit() {
    for (text, seconds) in [("30d", 2_592_000), ("12h", 43_200), ("5m", 300), ("90s", 90)] {
        assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
    }
    for text in ["", "5", "d", "-1d", "1.5h", "5 m", "99999999999d", "5é"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_certificate_comes_with_its_key() {
    assert!(parse(&["--tls-cert", "a"]).is_err());
    assert!(parse(&["--tls-cert", "a", "--tls-key", "b"]).is_ok());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let cases: [(&[&str], &str); 4] = [
        (&[], "the certificate needs the API server"),
        (&["--certificate-mode", "files"], "certificates from files need --tls-cert and --tls-key"),
        (
            &["--certificate-mode", "self-managed", "--tls-cert", "a", "--tls-key", "b"],
            "a self-managed certificate comes from no file: leave out --tls-cert and --tls-key",
        ),
        (
            &["--certificate-lifetime", "30d", "--authority-lifetime", "100d"],
            "an authority must last 4 times as long as a certificate, at least",
        ),
    ];
    for (words, expected) in cases {
        let error = parse(words).unwrap().source(None).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
