//! Generates the client from confreg.protoset, which has what the files of confreg import. The types
//! of google.rpc are those of tonic-types.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::var("CONFREG_PROTOSET")
        .unwrap_or_else(|_| "../../../build/confreg.protoset".into());
    println!("cargo:rerun-if-env-changed=CONFREG_PROTOSET");
    println!("cargo:rerun-if-changed={path}");
    let set = prost_types::FileDescriptorSet::decode(std::fs::read(path)?.as_slice())?;
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(set)?;
    Ok(())
}
