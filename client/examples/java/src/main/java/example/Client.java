package example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.confreg.v1.CreateConfigRequest;
import io.confreg.v1.RegistryServiceGrpc;
import io.confreg.v1.RegistryServiceGrpc.RegistryServiceBlockingStub;
import io.confreg.v1.Selector;
import io.confreg.v1.UpdateConfigRequest;
import io.confreg.v1.UpdateConfigResponse;
import io.confreg.v1.WatchRequest;
import io.confreg.v1.WatchResponse;
import io.confreg.v1.WatchResponseKind;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;

/**
 * A client of confreg in Java, as an example and as a test: it creates a config, changes it on
 * condition, and watches it over a restart of the server.
 *
 * <pre>
 * mvn package
 * java -cp 'target/confreg-client-1.jar:target/dependency/*' example.Client 127.0.0.1:50051
 * </pre>
 */
public final class Client {
    private static final String ENVIRONMENT = "prod";
    private static final String SERVICE = "client-java";
    private static final long LAST_VERSION = 4; // the test writes versions 3 and 4

    private final RegistryServiceBlockingStub stub;

    private Client(RegistryServiceBlockingStub stub) {
        this.stub = stub;
    }

    public static void main(String[] arguments) throws InvalidProtocolBufferException {
        ManagedChannel channel =
                Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
        try {
            Client client = new Client(RegistryServiceGrpc.newBlockingStub(channel).withWaitForReady());
            client.write();
            client.follow();
        } finally {
            channel.shutdownNow();
        }
    }

    private RegistryServiceBlockingStub calls() {
        return stub.withDeadlineAfter(2, TimeUnit.MINUTES);
    }

    private void write() throws InvalidProtocolBufferException {
        var created = calls().createConfig(CreateConfigRequest.newBuilder()
                .setEnvironment(ENVIRONMENT).setServiceName(SERVICE)
                .setConfigData(ByteString.copyFromUtf8("{\"pool\":10}"))
                .setCreatedBy("ada").build()).getConfig();
        System.out.println("created " + created.getVersion() + " " + created.getCreatedBy());

        try { // somebody else has changed it meanwhile, as far as this write knows
            update(7);
        } catch (StatusRuntimeException error) {
            if (error.getStatus().getCode() != Status.Code.ABORTED) {
                throw error;
            }
            for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    System.out.println("conflict " + info.getReason() + " "
                            + info.getMetadataOrThrow("current_version"));
                }
            }
        }

        System.out.println("updated " + update(created.getVersion()).getConfig().getVersion());
    }

    private UpdateConfigResponse update(long expectedVersion) {
        return calls().updateConfig(UpdateConfigRequest.newBuilder()
                .setEnvironment(ENVIRONMENT).setServiceName(SERVICE)
                .setMergePatch(ByteString.copyFromUtf8("{\"pool\":20}"))
                .setExpectedVersion(expectedVersion).build());
    }

    /**
     * Watches until the last version has come. The header of each response is the position to resume
     * after.
     */
    private void follow() {
        WatchRequest.Builder request = WatchRequest.newBuilder().setIncludeSnapshot(true).addSelectors(
                Selector.newBuilder().setEnvironment(ENVIRONMENT).setServiceName(SERVICE));
        for (;;) {
            try {
                Iterator<WatchResponse> responses = calls().watch(request.build());
                while (responses.hasNext()) {
                    if (handle(responses.next(), request)) {
                        return;
                    }
                }
            } catch (StatusRuntimeException error) {
                // grpc-java says UNKNOWN where a call begins while its connection is closing.
                if (error.getStatus().getCode() != Status.Code.UNAVAILABLE
                        && error.getStatus().getCode() != Status.Code.UNKNOWN) {
                    throw error;
                }
                System.out.println("interrupted");
            }
        }
    }

    /** Returns whether the last version has come; request is to resume after this response. */
    private static boolean handle(WatchResponse response, WatchRequest.Builder request) {
        response.getConfigsList().forEach(config -> System.out.println(
                "snapshot " + config.getVersion() + " " + config.getConfigData().toStringUtf8()));
        for (var event : response.getEventsList()) {
            System.out.println("event " + event.getVersion() + " "
                    + event.getConfig().getConfigData().toStringUtf8());
            if (event.getVersion() == LAST_VERSION) {
                return true;
            }
        }
        if (response.getHeader().getRevision() != 0) { // 0: the snapshot is not complete
            request.setIncludeSnapshot(false).setResumeAfter(response.getHeader());
        }
        if (response.getKind() == WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT_END) {
            System.out.println("watching");
        }
        return false;
    }
}
