package example;

import java.util.List;
import java.util.Scanner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.cloud.context.refresh.ContextRefresher;

/**
 * Settings from confreg with Spring Cloud Config's own client, and how a change reaches a program.
 *
 * mvn package
 * CONFREG_URL=http://127.0.0.1:8000 java -cp 'target/confreg-spring-1.jar:target/dependency/*' \
 *     example.Client --spring.profiles.active=prod
 *
 * Each line of standard input asks the gateway again, as a timer or a POST to /actuator/refresh
 * would. A token of confreg is the password: --spring.cloud.config.username=any
 * --spring.cloud.config.password=TOKEN.
 */
@SpringBootApplication
@EnableConfigurationProperties(Client.Db.class)
public class Client {
    /** The members of "db". */
    @ConfigurationProperties("db")
    public static class Db {
        private String host;
        private int pool;
        private List<Integer> ports = List.of();

        public String getHost() { return host; }

        public void setHost(String host) { this.host = host; }

        public int getPool() { return pool; }

        public void setPool(int pool) { this.pool = pool; }

        public List<Integer> getPorts() { return ports; }

        public void setPorts(List<Integer> ports) { this.ports = ports; }
    }

    private static void show(Db db) {
        System.out.println("host " + db.getHost() + " pool " + db.getPool() + " ports " + db.getPorts());
    }

    public static void main(String[] arguments) {
        try (var context = SpringApplication.run(Client.class, arguments)) {
            var db = context.getBean(Db.class); // bound anew when its properties change
            show(db);
            for (var lines = new Scanner(System.in); lines.hasNextLine(); lines.nextLine()) {
                System.out.println("changed " + context.getBean(ContextRefresher.class).refresh().stream()
                    .filter(name -> !name.startsWith("config.client.")).sorted().toList());
                show(db);
            }
        }
    }
}
