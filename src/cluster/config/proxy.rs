//! The proxy on the way to the API server, by kubectl's rules: a kubeconfig's `proxy-url` always
//! counts; `HTTPS_PROXY` does unless `NO_PROXY` names the server or the server is this machine.

use std::net::IpAddr;

use http::Uri;
use http::uri::{InvalidUri, Scheme};
use hyper_util::client::proxy::matcher::Matcher;

/// Port of a SOCKS proxy whose URL has none.
const SOCKS_PORT: u16 = 1080;

/// Why a proxy cannot be used. The URL is not in it: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error(
        "{name} is not a proxy URL: {why}. Use http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
    )]
    NoUrl { name: &'static str, why: String },
    #[error(
        "{0} has a user for a SOCKS proxy, which is not supported: use a SOCKS proxy without a user, or an HTTP proxy"
    )]
    SocksUser(&'static str),
}

/// The proxy for a server; `variable` is the environment.
pub fn of(
    server: &Uri,
    of_kubeconfig: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, ProxyError> {
    if let Some(url) = of_kubeconfig.filter(|url| !url.is_empty()) {
        return parse("the kubeconfig's proxy-url", url).map(Some);
    }
    let set = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some((name, value))
        })
    };
    let names = if server.scheme() == Some(&Scheme::HTTP) {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    let Some((name, url)) = set(names) else {
        return Ok(None);
    };
    let exceptions = set(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, value)| value);
    if is_this_machine(server) || is_excepted(server, &exceptions) {
        return Ok(None);
    }
    parse(name, &url).map(Some)
}

fn host(server: &Uri) -> &str {
    let host = server.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_this_machine(server: &Uri) -> bool {
    let host = host(server);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn is_excepted(server: &Uri, exceptions: &str) -> bool {
    let port = server.port_u16().unwrap_or_else(|| {
        let http = server.scheme() == Some(&Scheme::HTTP);
        if http { 80 } else { 443 }
    });
    let mut names = Vec::new();
    let entries = exceptions.split(',').map(str::trim);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        if entry == "*" {
            return true;
        }
        // The library knows no ports and no asterisks.
        let entry = match entry.rsplit_once(':') {
            Some((name, of)) if !name.contains(':') || name.ends_with(']') => {
                if of.parse() != Ok(port) {
                    continue;
                }
                name
            }
            _ => entry,
        };
        let entry = entry.strip_prefix('*').unwrap_or(entry);
        names.push(entry.trim_start_matches('[').trim_end_matches(']'));
    }
    let matcher = Matcher::builder().all("http://proxy").no(names.join(","));
    matcher.build().intercept(server).is_none()
}

fn parse(name: &'static str, url: &str) -> Result<Uri, ProxyError> {
    let text = url.trim();
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let no_url = |why: &str| ProxyError::NoUrl {
        name,
        why: why.to_owned(),
    };
    let no_host = || no_url("it has no host");
    // The error says which part is wrong, and repeats none.
    let parsed: Result<Uri, InvalidUri> = text.parse();
    let uri = parsed.map_err(|error| no_url(&error.to_string()))?;
    let authority = uri.authority().ok_or_else(no_host)?;
    let host = authority.host();
    if host.is_empty() {
        return Err(no_host());
    }
    let has_port = !authority.as_str().ends_with(host) && !authority.as_str().ends_with(':');
    if has_port && authority.port_u16().is_none() {
        return Err(no_url("its port is not a number up to 65535"));
    }
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        Some("socks5" | "socks5h") => {
            if authority.as_str().contains('@') {
                return Err(ProxyError::SocksUser(name));
            }
            let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16());
            let socks = Uri::builder()
                .scheme("socks5")
                .authority(format!("{host}:{}", port.unwrap_or(SOCKS_PORT)))
                .path_and_query("/");
            socks.build().map_err(|_| no_host())
        }
        _ => Err(no_url("its scheme is not supported")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str, of_kubeconfig: Option<&str>, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match of(&server.parse().unwrap(), of_kubeconfig, variable) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(uri)) => uri.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn no_proxy_is_held_against_the_server() {
        let server = "https://api.corp.example:6443";
        for (no_proxy, direct) in [
            ("", false),
            (",", false),
            (":6443", false),
            ("a,,b", false),
            ("a,,corp.example", true),
            ("proxy", false),
            ("10.0.0.0/8", false),
            ("other.example", false),
            ("p.example", false),
            ("api.corp.example", true),
            ("API.corp.example", true),
            ("corp.example", true),
            (".corp.example", true),
            ("*.corp.example", true),
            ("localhost, corp.example,", true),
            ("corp.example:6443", true),
            ("corp.example:443", false),
            ("*", true),
        ] {
            let variables = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)];
            let expected = if direct {
                "direct"
            } else {
                "http://proxy:3128/"
            };
            assert_eq!(found(server, None, &variables), expected, "{no_proxy}");
        }
        for (server, no_proxy, direct) in [
            ("https://10.1.2.3", "10.0.0.0/8", true),
            ("https://10.1.2.3", "10.1.2.3:443", true),
            ("https://10.1.2.3", "*", true),
            ("https://10.1.2.3", "11.0.0.0/8,10.1.2.4", false),
            ("https://[2001:db8::1]:6443", "2001:db8::/32", true),
            ("https://[2001:db8::1]:6443", "2001:db8::1", true),
            ("https://[2001:db8::1]:6443", "[2001:db8::1]:6443", true),
            ("https://[2001:db8::1]:6443", "[2001:db8::1]:443", false),
        ] {
            let variables = [("https_proxy", "proxy:3128"), ("no_proxy", no_proxy)];
            let expected = if direct {
                "direct"
            } else {
                "http://proxy:3128/"
            };
            assert_eq!(
                found(server, None, &variables),
                expected,
                "{server} {no_proxy}"
            );
        }
    }

    #[test]
    fn a_kubeconfig_s_proxy_goes_before_every_variable() {
        let variables = [("HTTPS_PROXY", "http://other:1"), ("NO_PROXY", "*")];
        let proxied = found("https://localhost", Some("http://proxy:3128"), &variables);
        assert_eq!(proxied, "http://proxy:3128/");
        assert_eq!(found("https://a.example", Some(""), &variables), "direct");
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy_and_a_plain_server_by_its_own() {
        let variables = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "http://p:2")];
        for server in [
            "https://127.0.0.2:6443",
            "https://localhost",
            "https://[::1]:1",
        ] {
            assert_eq!(found(server, None, &variables), "direct", "{server}");
        }
        assert_eq!(found("http://a.example", None, &variables), "http://p:2/");
        assert_eq!(found("https://a.example", None, &variables), "http://s:1/");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for (url, expected) in [
            ("https://u:p@proxy", "https://u:p@proxy/"),
            ("socks5://proxy", "socks5://proxy:1080/"),
            ("socks5h://proxy:9", "socks5://proxy:9/"),
            ("socks5://[2001:db8::1]", "socks5://[2001:db8::1]:1080/"),
            ("ftp://u:secret@proxy", "its scheme is not supported"),
            ("http://u:secret@pro xy", "invalid uri character"),
            ("http://u:secret@proxy:x", "its port"),
            ("http://proxy:65536", "its port"),
            ("http://[2001:db8::1]", "http://[2001:db8::1]/"),
            ("http://proxy:", "http://proxy:/"),
            ("http://u:secret@", "is not a proxy URL"),
            ("/secret", "is not a proxy URL"),
            ("socks5://u:secret@proxy", "not supported"),
        ] {
            let proxy = found("https://a.example", Some(url), &[]);
            assert!(proxy.contains(expected), "{url}: {proxy}");
            assert!(!proxy.contains("secret"), "{proxy}");
        }
    }
}
