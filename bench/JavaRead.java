import java.time.Duration;
import java.util.ArrayList;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a whole topic several times with the Java client's defaults, without a group, and prints records/s of each time.
 *
 * <p>java -cp "conformance/kafka-peer/.cache/libs-4.3.1/*" bench/JavaRead.java HOST:PORT TOPIC RECORDS TIMES
 */
public class JavaRead {
    public static void main(String[] args) {
        long records = Long.parseLong(args[2]);
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("enable.auto.commit", "false");
        for (int time = 0; time < Integer.parseInt(args[3]); time++) {
            System.out.println(Math.round(read(settings, args[1], records)));
        }
    }

    /**
     * Reads it once, with a consumer of its own: one that has read to the end has a fetch there, which the broker answers after
     * fetch.max.wait.ms, and begins anew only then.
     */
    private static double read(Properties settings, String topic, long records) {
        try (var consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partitions = new ArrayList<TopicPartition>();
            consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(p.topic(), p.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long read = 0;
            long began = System.nanoTime();
            while (read < records) {
                read += consumer.poll(Duration.ofSeconds(1)).count();
            }
            return read * 1e9 / (System.nanoTime() - began);
        }
    }
}
