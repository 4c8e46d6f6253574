//! Lists a bucket with the SDK for Rust and its default chain: BUCKET. It answers lines, as `lister.rs` says.

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::DisplayErrorContext;

async fn list(storage: &Client, bucket: &str, calls: u32) -> String {
    let mut keys = Vec::new();
    for _ in 0..calls {
        match storage.list_objects_v2().bucket(bucket).send().await {
            Ok(listed) => keys = listed.contents().iter().filter_map(|o| o.key().map(str::to_owned)).collect(),
            Err(error) => {
                let said = DisplayErrorContext(error).to_string();
                return format!("error {}", said.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
    format!("ok {}", keys.join("|"))
}

/// Reads beside the runtime: one that stands still would not see that the other end has closed an idle connection.
async fn next_line() -> Option<String> {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.expect("reading does not panic");
    line.map(|line| line.expect("the test writes lines"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bucket = std::env::args().nth(1).expect("usage: list-rust BUCKET");
    // Without TLS, which the sandbox does not speak.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let settings = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let storage = Client::from_conf(Builder::from(&settings).force_path_style(true).build());
    while let Some(line) = next_line().await {
        match line.parse() {
            Ok(calls) => println!("{}", list(&storage, &bucket, calls).await),
            Err(_) => println!("ok aws-sdk-s3 {}", aws_sdk_s3::meta::PKG_VERSION),
        }
    }
}
