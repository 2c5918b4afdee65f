package example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.confreg.v1.CreateConfigRequest;
import io.confreg.v1.Event;
import io.confreg.v1.GetConfigRequest;
import io.confreg.v1.Position;
import io.confreg.v1.RegistryServiceGrpc;
import io.confreg.v1.RegistryServiceGrpc.RegistryServiceBlockingStub;
import io.confreg.v1.Selector;
import io.confreg.v1.UpdateConfigRequest;
import io.confreg.v1.UpdateConfigResponse;
import io.confreg.v1.WatchRequest;
import io.confreg.v1.WatchResponse;
import io.confreg.v1.WatchResponseKind;
import io.grpc.CallCredentials;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * A client of confreg in Java, as an example and as a test: it creates a config, reads it, changes it
 * on condition, and watches it over a restart of the server.
 *
 * <pre>
 * mvn package
 * java -cp 'target/confreg-client-1.jar:target/dependency/*' example.Client 127.0.0.1:50051
 * </pre>
 *
 * With the files of an authority and of a token as more arguments it uses TLS and the token.
 */
public final class Client {
    private static final String ENVIRONMENT = "prod";
    private static final String SERVICE = "client-java";
    private static final long LAST_VERSION = 4; // the test writes versions 3 and 4
    private static final long FIRST_WAIT_MS = 200;
    private static final long MOST_WAIT_MS = 15_000;

    private final RegistryServiceBlockingStub stub;
    private Position position; // of the last response that was handled; null: begin with a snapshot
    private long waitMs = FIRST_WAIT_MS;

    private Client(RegistryServiceBlockingStub stub) {
        this.stub = stub;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        boolean isSecure = arguments.length == 3;
        ChannelCredentials credentials = isSecure
                ? TlsChannelCredentials.newBuilder().trustManager(new File(arguments[1])).build()
                : InsecureChannelCredentials.create();
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], credentials)
                .keepAliveTime(20, TimeUnit.SECONDS).build(); // notices a server that hangs
        try {
            var stub = RegistryServiceGrpc.newBlockingStub(channel).withWaitForReady();
            Client client = new Client(
                    isSecure ? stub.withCallCredentials(new TokenFile(Path.of(arguments[2]))) : stub);
            client.write();
            client.follow();
        } finally {
            channel.shutdownNow();
        }
    }

    /** The token is read for each call, so it may be replaced. */
    private static final class TokenFile extends CallCredentials {
        private static final Metadata.Key<String> AUTHORIZATION =
                Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
        private final Path path;

        TokenFile(Path path) {
            this.path = path;
        }

        @Override
        public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
            executor.execute(() -> {
                try {
                    Metadata headers = new Metadata();
                    headers.put(AUTHORIZATION, "Bearer " + Files.readString(path).strip());
                    applier.apply(headers);
                } catch (IOException | RuntimeException error) {
                    applier.fail(Status.UNAUTHENTICATED.withCause(error));
                }
            });
        }
    }

    private RegistryServiceBlockingStub calls() {
        return stub.withDeadlineAfter(2, TimeUnit.MINUTES);
    }

    private void write() throws InvalidProtocolBufferException {
        var created = calls().createConfig(CreateConfigRequest.newBuilder()
                .setEnvironment(ENVIRONMENT).setServiceName(SERVICE)
                .setConfigData(ByteString.copyFromUtf8("{\"pool\":10}"))
                .setRequestId(UUID.randomUUID().toString())
                .setCreatedBy("ada").build()).getConfig();
        System.out.println("created " + created.getVersion() + " " + created.getCreatedBy());

        var read = calls().getConfig(GetConfigRequest.newBuilder()
                .setEnvironment(ENVIRONMENT).setServiceName(SERVICE).build()).getConfig();
        System.out.println("read " + read.getConfigData().toStringUtf8());

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

        System.out.println("updated " + update(read.getVersion()).getConfig().getVersion());
    }

    /** Is safe to repeat with the same request id, where the outcome is unknown. */
    private UpdateConfigResponse update(long expectedVersion) {
        return calls().updateConfig(UpdateConfigRequest.newBuilder()
                .setEnvironment(ENVIRONMENT).setServiceName(SERVICE)
                .setMergePatch(ByteString.copyFromUtf8("{\"pool\":20}"))
                .setRequestId(UUID.randomUUID().toString())
                .setExpectedVersion(expectedVersion).build());
    }

    /**
     * Watches until the last version has come; no error ends it. Resumes after the last response that
     * was handled, or begins with a snapshot again where that is no longer possible (a compaction,
     * another log), and waits a random time before each attempt.
     */
    private void follow() throws InterruptedException {
        while (true) {
            try {
                if (watch()) {
                    return;
                }
                System.out.println("interrupted: the server has ended the stream");
            } catch (StatusRuntimeException error) {
                switch (error.getStatus().getCode()) {
                    case OUT_OF_RANGE, FAILED_PRECONDITION -> position = null;
                    default -> { }
                }
                System.out.println("interrupted: " + error.getStatus());
            }
            Thread.sleep(ThreadLocalRandom.current().nextLong(waitMs));
            waitMs = Math.min(2 * waitMs, MOST_WAIT_MS);
        }
    }

    /** Reads one stream. Returns whether the last version has come; false: the stream has ended. */
    private boolean watch() {
        WatchRequest.Builder request = WatchRequest.newBuilder()
                .addSelectors(Selector.newBuilder().setEnvironment(ENVIRONMENT).setServiceName(SERVICE))
                .setProgressInterval(Duration.newBuilder().setSeconds(10));
        if (position == null) {
            request.setIncludeSnapshot(true);
        } else {
            request.setResumeAfter(position);
        }
        List<Event> events = new ArrayList<>(); // of a commit that may not be complete
        Iterator<WatchResponse> responses = stub.watch(request.build()); // no deadline
        while (responses.hasNext()) {
            WatchResponse response = responses.next();
            response.getConfigsList().forEach(config -> System.out.println(
                    "snapshot " + config.getVersion() + " " + config.getConfigData().toStringUtf8()));
            if (response.getKind() == WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT_END) {
                System.out.println("watching");
            }
            events.addAll(response.getEventsList());
            if (response.getMore()) {
                continue; // the commit goes on in the next response
            }
            boolean isLast = false;
            for (Event event : events) {
                System.out.println("event " + event.getVersion() + " "
                        + event.getConfig().getConfigData().toStringUtf8());
                isLast |= event.getVersion() == LAST_VERSION;
            }
            events.clear();
            if (response.getHeader().getRevision() != 0) { // 0: the snapshot is not complete
                position = response.getHeader();
                waitMs = FIRST_WAIT_MS;
            }
            if (isLast) {
                return true;
            }
        }
        return false;
    }
}
