//! A client of confreg in Rust, as an example: it creates a config, changes it on condition, and
//! watches it over a restart of the server.
//!
//!     CONFREG_PROTOSET=../../../build/confreg.protoset cargo run -- http://127.0.0.1:50051

use std::error::Error;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub mod confreg {
    tonic::include_proto!("confreg.v1");
}
use confreg::registry_service_client::RegistryServiceClient;
use confreg::update_config_request::Content;
use confreg::{
    CreateConfigRequest, Selector, UpdateConfigRequest, WatchRequest, WatchResponseKind,
};

const ENVIRONMENT: &str = "prod";
const SERVICE: &str = "client-rust";
const LAST_VERSION: u64 = 4; // somebody else writes versions 3 and 4

type Client = RegistryServiceClient<Channel>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("an address is needed")?;
    let mut client = Client::new(Endpoint::new(address)?.connect_lazy());
    write(&mut client).await?;
    follow(&mut client).await?;
    Ok(())
}

async fn write(client: &mut Client) -> Result<(), Box<dyn Error>> {
    let created = client
        .create_config(CreateConfigRequest {
            environment: ENVIRONMENT.into(),
            service_name: SERVICE.into(),
            config_data: br#"{"pool":10}"#.to_vec(),
            created_by: "ada".into(),
            ..Default::default()
        })
        .await?
        .into_inner()
        .config
        .ok_or("a config was due")?;
    println!("created {} {}", created.version, created.created_by);

    // Somebody else has changed it meanwhile, as far as this write knows.
    match update(client, 7).await {
        Err(error) if error.code() == Code::Aborted => {
            let info = error
                .get_details_error_info()
                .ok_or("an ErrorInfo was due")?;
            println!(
                "conflict {} {}",
                info.reason, info.metadata["current_version"]
            );
        }
        other => return Err(format!("a conflict was due, not {other:?}").into()),
    }

    println!("updated {}", update(client, created.version).await?);
    Ok(())
}

/// Returns the new version.
async fn update(client: &mut Client, expected_version: u64) -> Result<u64, Status> {
    let response = client
        .update_config(UpdateConfigRequest {
            environment: ENVIRONMENT.into(),
            service_name: SERVICE.into(),
            content: Some(Content::MergePatch(br#"{"pool":20}"#.to_vec())),
            expected_version,
            ..Default::default()
        })
        .await?
        .into_inner();
    Ok(response.config.map_or(0, |config| config.version))
}

/// Watches until the last version has come. The header of each response is the position to resume
/// after.
async fn follow(client: &mut Client) -> Result<(), Status> {
    let mut request = WatchRequest {
        selectors: vec![Selector {
            environment: ENVIRONMENT.into(),
            service_name: SERVICE.into(),
            ..Default::default()
        }],
        include_snapshot: true,
        ..Default::default()
    };
    loop {
        match watch(client, &mut request).await {
            // tonic says UNKNOWN where the connection breaks.
            Err(error) if matches!(error.code(), Code::Unavailable | Code::Unknown) => {
                println!("interrupted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            other => return other,
        }
    }
}

/// Keeps request such that it resumes after the last response that was handled.
async fn watch(client: &mut Client, request: &mut WatchRequest) -> Result<(), Status> {
    let mut stream = client.watch(request.clone()).await?.into_inner();
    while let Some(response) = stream.message().await? {
        for config in &response.configs {
            println!(
                "snapshot {} {}",
                config.version,
                String::from_utf8_lossy(&config.config_data)
            );
        }
        for event in &response.events {
            let data = event
                .config
                .as_ref()
                .map_or(&[][..], |config| &config.config_data);
            println!("event {} {}", event.version, String::from_utf8_lossy(data));
            if event.version == LAST_VERSION {
                return Ok(());
            }
        }
        if response
            .header
            .as_ref()
            .is_some_and(|header| header.revision > 0)
        {
            request.include_snapshot = false; // with revision 0 the snapshot is not complete
            request.resume_after.clone_from(&response.header);
        }
        if response.kind() == WatchResponseKind::SnapshotEnd {
            println!("watching");
        }
    }
    Ok(())
}
