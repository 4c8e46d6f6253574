//! Proxies: the agent uses the configuration's, never a caller's; the caller's is proposed; a password is in the vault.

use crate::doctor::doctor;
use crate::harness::home::{Home, PASSPHRASE, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::tls::{TlsFront, certificate};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) const PASSWORD: &str = "pass\"word \\ of 1 proxy";
/// `richard` and the password, as RFC 7617 writes them.
const AUTHORIZATION: &str = "proxy-authorization: Basic cmljaGFyZDpwYXNzIndvcmQgXCBvZiAxIHByb3h5";

/// A proxy that leads every CONNECT to one server, whatever its name.
pub(crate) struct Proxy {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(port: u16, wants_password: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || drop(tunnel(client, port, wants_password, &seen)));
            }
        });
        Self { url, heads }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn tunnel(mut client: TcpStream, port: u16, wants_password: bool, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = text(&head);
    let is_known = head.lines().any(|line| line.eq_ignore_ascii_case(AUTHORIZATION));
    seen.lock().unwrap().push(head);
    if wants_password && !is_known {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(std::net::Shutdown::Both)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}

/// Writes a configuration whose STS has a name that no DNS knows.
fn far_away(home: &Home, more: &str) {
    let bundle = certificate("root.pem");
    let far = format!("endpoint_url_sts = \"https://sts.example.com\"\nca_bundle = \"{}\"\n{more}", bundle.display());
    let config = TUTORIAL.replace("endpoint_url_sts = \"ENDPOINT\"", &far);
    home.run(["agent", "stop"]);
    home.configure(&format!("[agent]\nvault = \"file\"\n{config}"));
    home.open_vault();
}

fn start(wants_password: bool) -> (Home, Proxy) {
    let home = Home::ready(TUTORIAL);
    let front = TlsFront::start(&home.aws.url(), "far");
    (home, Proxy::start(front.port, wants_password))
}

#[test]
fn callers_proxy_is_proposed_and_not_used() {
    let (home, proxy) = start(false);
    far_away(&home, "");
    let with_user = proxy.url.replace("http://", "http://richard:secret-of-shell@");
    let output = home.rolecall(["get", "prod"]).env("HTTPS_PROXY", &with_user).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("sts.example.com"), "{stderr}");
    assert!(stderr.contains(&format!("set `https_proxy = \"{}\"` under `[aws]`", proxy.url)), "{stderr}");
    assert!(stderr.contains("`https_proxy_user`") && !stderr.contains("secret-of-shell"), "{stderr}");
    assert!(proxy.heads().is_empty(), "the agent does not use it");
    let found = home.rolecall(["doctor", "prod"]).env("https_proxy", &proxy.url).output().unwrap();
    // Output is broken to the width of the screen.
    let found = text(&found.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(found.contains(&format!("set `https_proxy = \"{}\"`", proxy.url)), "{found}");
    far_away(&home, &format!("https_proxy = \"{}\"", proxy.url));
    let output = home.run(["get", "prod"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(proxy.heads()[0].starts_with("CONNECT sts.example.com:443 "), "{:?}", proxy.heads());
}

#[test]
fn proxy_password_comes_from_the_vault() {
    let (home, proxy) = start(true);
    home.canaries.add(PASSWORD);
    far_away(&home, &format!("https_proxy = \"{}\"", proxy.url));
    let stderr = text(&home.run(["get", "prod"]).stderr);
    assert!(stderr.contains("the proxy asks for a user and a password"), "{stderr}");
    assert!(stderr.contains("`https_proxy_user`") && stderr.contains("`rolecall unlock --proxy`"), "{stderr}");
    let refused = home.run_with_input(["unlock", "--proxy"], PASSWORD);
    assert_eq!(refused.status.code(), Some(3), "without a user there is nobody whose password it is");

    far_away(&home, &format!("https_proxy = \"{}\"\nhttps_proxy_user = \"richard\"", proxy.url));
    let output = home.run(["get", "prod"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("the proxy has not accepted user richard"), "{stderr}");
    let finding = doctor(&home, "prod").is_certainly("proxy-wrong");
    assert!(finding["fix"].as_str().unwrap().contains("rolecall unlock --proxy"), "{finding}");
    let wrong = home.run_with_input(["unlock", "--proxy"], "not the password");
    assert!(wrong.status.success(), "{}", text(&wrong.stderr));
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(6));
    let stored = home.run_with_input(["unlock", "--proxy"], PASSWORD);
    assert!(stored.status.success(), "{}", text(&stored.stderr));
    let output = home.run(["get", "prod"]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    home.run(["agent", "stop"]);
    home.open_vault();
    let output = home.run(["get", "prod"]);
    assert!(output.status.success(), "it rests in the vault: {}", text(&output.stderr));
}

#[test]
fn excepted_host_is_not_asked_of_the_proxy() {
    let (home, proxy) = start(false);
    far_away(&home, &format!("https_proxy = \"{}\"\nno_proxy = [\"example.com\"]", proxy.url));
    let output = home.run(["get", "prod"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("sts.example.com"), "{stderr}");
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());
}

#[test]
fn proxy_with_https_is_refused_before_any_call() {
    let (home, proxy) = start(true);
    home.canaries.add(PASSWORD);
    far_away(&home, &format!("https_proxy = \"{}\"\nhttps_proxy_user = \"richard\"", proxy.url));
    assert!(home.run_with_input(["unlock", "--proxy"], PASSWORD).status.success());

    let with_tls = proxy.url.replace("http://", "https://");
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config.replace(&proxy.url, &with_tls)).unwrap();
    home.run(["agent", "restart"]);
    home.run_with_input(["unlock", "--vault"], PASSPHRASE);
    let output = home.run(["get", "prod"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("https_proxy") && stderr.contains("TLS to the proxy itself is not supported"), "{stderr}");
    assert!(stderr.contains("http://proxy:3128"), "{stderr}");
    assert!(proxy.heads().is_empty(), "no byte to it: {:?}", proxy.heads());

    far_away(&home, "");
    let output = home.rolecall(["get", "prod"]).env("HTTPS_PROXY", &with_tls).output().unwrap();
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&format!("set `https_proxy = \"{}\"`", proxy.url)), "{stderr}");
    assert!(stderr.contains("your variable names https"), "{stderr}");

    let output = home.rolecall(["get", "prod"]).env("HTTPS_PROXY", "https://proxy.corp").output().unwrap();
    let stderr = text(&output.stderr);
    assert!(stderr.contains("set `https_proxy = \"http://proxy.corp:PORT\"`"), "{stderr}");
    assert!(stderr.contains("PORT is its port for http"), "{stderr}");
}
