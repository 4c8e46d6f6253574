//! The address that every task of ECS has and no other machine: 169.254.170.2, here in a network of the test's own.

use super::*;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{BufRead, BufReader, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;

/// Where a relative path is (SDKs and Tools Reference Guide, "Container credential provider").
const ECS: &str = "169.254.170.2:80";

const NETWORK: &str = "ip link set lo up && ip addr add 169.254.170.2/32 dev lo && echo ready && read -r end";

/// Does something in a network that has nothing but its loopback, on a thread of its own: all that it starts is in it too.
fn in_a_network_with_the_address<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    crate::harness::needs::require("root");
    let mut holder = Command::new("unshare");
    let holder = holder.args(["--net", "sh", "-c", NETWORK]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().expect("unshare is installed");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "the network is made; the complaint is above");
    let network = File::open(crate::harness::process::of(holder.id().cast_signed()).join("ns/net")).unwrap();
    drop(holder.stdin.take());
    let done = std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        });
        inside.join().unwrap()
    });
    holder.wait().unwrap();
    done
}

/// Hands what comes to the address on to the sandbox, which listens on 127.0.0.1 and nowhere else.
fn hand_on(aws: &Sandbox) {
    let (listener, to) = (TcpListener::bind(ECS).unwrap(), aws.url().replace("http://", ""));
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let to = TcpStream::connect(&to).unwrap();
            let (mut asks, mut asked) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = copy(&mut asks, &mut asked);
                let _ = asked.shutdown(Shutdown::Write);
            });
            let (mut answers, mut answered) = (to, from);
            std::thread::spawn(move || {
                let _ = copy(&mut answers, &mut answered);
                let _ = answered.shutdown(Shutdown::Both);
            });
        }
    });
}

#[test]
fn a_task_reaches_its_chain_by_the_relative_path_at_the_address_of_ecs() {
    needs!("root");
    in_a_network_with_the_address(|| {
        let agent = Inside::start_where(world(), &config("type = \"ecs\""), |aws| {
            hand_on(aws);
            let path = aws.world(|world| world.task.clone().unwrap().path);
            variables([("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path)])
        });
        reaches_its_chain(&agent);
        assert_eq!(agent.aws.count("ContainerCredentials"), 1);
        assert_eq!(agent.get("app").unwrap().account.expect("ECS names the role").as_str(), AUTH_ACCOUNT);
    });
}

#[test]
fn where_nobody_has_the_address_of_ecs_it_is_said_which_one_that_is() {
    needs!("root");
    in_a_network_with_the_address(|| {
        let agent = Inside::start_where(world(), &config("type = \"ecs\""), |aws| {
            let path = aws.world(|world| world.task.clone().unwrap().path);
            variables([("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path)])
        });
        refused(&agent, "app-data", Kind::Unreachable, "the container endpoint at 169.254.170.2");
        agent.get("prod").expect("who has nothing to do with it is served");
    });
}
