//! Measures the transports under the channels, on loopback and in one process: `cargo run --release --example transport_bench`.
//!
//! For each transport: the round trip of a 200-byte consensus frame while nothing else is sent, and while the same direction is
//! saturated with data; the throughput of data; and the CPU time of both ends together per MiB of data.

use std::{
    fs,
    time::{Duration, Instant},
};

use bytes::Bytes;
use salus_network::{
    AdmittedPeer, Channel, Inbound, Network, NetworkConfig, NetworkHandle, NetworkId,
    NetworkSecret, PeerKey,
};

const VOTE_BYTES: usize = 200;
const DATA_FRAME_BYTES: usize = 256 * 1024;
const ROUND_TRIPS: usize = 3000;
const DATA_MIB: usize = 1024;

/// Linux counts CPU time in hundredths of a second.
const CPU_TICK: Duration = Duration::from_millis(10);

type Change = fn(&mut NetworkConfig);

struct Case {
    name: &'static str,
    listen: &'static str,
    change: Change,
}

#[derive(Debug)]
struct Measured {
    idle: Latency,
    loaded: Latency,
    mib_per_second: f64,
    cpu_ms_per_mib: f64,
}

#[derive(Debug)]
struct Latency {
    p50: Duration,
    p99: Duration,
}

fn main() {
    const TCP: &str = "/ip4/127.0.0.1/tcp/0";
    const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
    let cases = [
        Case {
            name: "TCP, 256 KiB window",
            listen: TCP,
            change: |_| (),
        },
        Case {
            name: "TCP, window up to 1 GiB",
            listen: TCP,
            change: |config| config.transport.tcp_connection_window_bytes = 1 << 30,
        },
        Case {
            name: "QUIC, 256 KiB window",
            listen: QUIC,
            change: |config| config.transport.quic_stream_window_bytes = 256 << 10,
        },
        Case {
            name: "QUIC, 1 MiB window",
            listen: QUIC,
            change: |_| (),
        },
    ];
    println!(
        "| transport | vote idle p50 | p99 | vote under data p50 | p99 | data MiB/s | CPU ms/MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for case in cases {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let measured = runtime.block_on(measure(&case));
        println!(
            "| {} | {} us | {} us | {} us | {} us | {:.0} | {:.2} |",
            case.name,
            measured.idle.p50.as_micros(),
            measured.idle.p99.as_micros(),
            measured.loaded.p50.as_micros(),
            measured.loaded.p99.as_micros(),
            measured.mib_per_second,
            measured.cpu_ms_per_mib,
        );
    }
}

async fn measure(case: &Case) -> Measured {
    let (sender, mut sender_inbound, receiver, receiver_inbound) = connect(case).await;
    let peer = receiver.local_key();
    let Inbound {
        mut consensus,
        mut data,
        ..
    } = receiver_inbound;
    let back = sender.local_key();
    tokio::spawn(async move {
        while let Some(vote) = consensus.recv().await {
            receiver
                .send(back, Channel::Consensus, vote.bytes)
                .expect("connected");
        }
    });
    let (received_sender, mut received) = tokio::sync::watch::channel(0usize);
    tokio::spawn(async move {
        while let Some(frame) = data.recv().await {
            received_sender.send_modify(|bytes| *bytes += frame.bytes.len());
        }
    });

    round_trips(&sender, &mut sender_inbound, peer, ROUND_TRIPS / 10).await;
    let idle = round_trips(&sender, &mut sender_inbound, peer, ROUND_TRIPS).await;

    let saturate = tokio::spawn({
        let sender = sender.clone();
        async move {
            loop {
                send_data(&sender, peer).await;
            }
        }
    });
    round_trips(&sender, &mut sender_inbound, peer, ROUND_TRIPS / 10).await;
    let loaded = round_trips(&sender, &mut sender_inbound, peer, ROUND_TRIPS).await;
    saturate.abort();
    tokio::time::sleep(Duration::from_millis(500)).await;

    let before = *received.borrow_and_update();
    let (started, cpu) = (Instant::now(), cpu_time());
    for _ in 0..DATA_MIB * 1024 * 1024 / DATA_FRAME_BYTES {
        send_data(&sender, peer).await;
    }
    received
        .wait_for(|bytes| bytes - before >= DATA_MIB << 20)
        .await
        .expect("the receiver runs");
    Measured {
        idle,
        loaded,
        mib_per_second: DATA_MIB as f64 / started.elapsed().as_secs_f64(),
        cpu_ms_per_mib: (cpu_time() - cpu).as_secs_f64() * 1000.0 / DATA_MIB as f64,
    }
}

async fn connect(case: &Case) -> (NetworkHandle, Inbound, NetworkHandle, Inbound) {
    let mut secrets = [1, 2].map(|tag| NetworkSecret::new([tag; 32]));
    secrets.sort_by_key(NetworkSecret::peer_key);
    let listen = vec![case.listen.parse().expect("an address")];
    let mut config = NetworkConfig::new(NetworkId::new([0; 32]), listen);
    // A queue that is full of data throughout, and no longer than that.
    config.data.outbox_bytes_max = 4 << 20;
    (case.change)(&mut config);

    let start = async |index: usize, addresses| {
        let other = AdmittedPeer {
            key: secrets[1 - index].peer_key(),
            addresses,
        };
        Network::start(config.clone(), &secrets[index], vec![other])
            .await
            .expect("loopback can be listened on")
    };
    let (listener, listener_inbound) = start(1, Vec::new()).await;
    let (dialer, dialer_inbound) = start(0, listener.listen_addresses()).await;
    while dialer.peers().is_empty() || listener.peers().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (dialer, dialer_inbound, listener, listener_inbound)
}

async fn send_data(sender: &NetworkHandle, peer: PeerKey) {
    const FRAME: Bytes = Bytes::from_static(&[0x5a; DATA_FRAME_BYTES]);
    sender
        .send_when_room(peer, Channel::Data, FRAME)
        .await
        .expect("connected");
}

async fn round_trips(
    sender: &NetworkHandle,
    inbound: &mut Inbound,
    peer: PeerKey,
    count: usize,
) -> Latency {
    const VOTE: Bytes = Bytes::from_static(&[1; VOTE_BYTES]);
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        sender
            .send(peer, Channel::Consensus, VOTE)
            .expect("connected");
        inbound.consensus.recv().await.expect("the echo runs");
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    Latency {
        p50: taken[count / 2],
        p99: taken[count * 99 / 100],
    }
}

/// User and system time of this process, from `/proc/self/stat`; zero where there is none.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the command's name, may contain spaces; it ends with the last parenthesis.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    CPU_TICK * ticks
}
