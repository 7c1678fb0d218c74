import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Keeps one JVM running for many uses of the Java client and of Kafka's command line tools, because starting a JVM for
 * each is most of the time a test takes. Reads one JSON object a line and answers each with one line:
 * produce, consume (each with a client of its own) and main (a tool's main method, its standard streams given and taken).
 * Compiles against Kafka 2.8 and 4.3.
 */
public class Host {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Thrown in place of leaving the JVM; an Error so that the tools' catch clauses let it through. */
    private static class Exited extends Error {
        final int status;

        Exited(int status) {
            super("exit " + status);
            this.status = status;
        }
    }

    public static void main(String[] args) throws IOException {
        PrintStream answers = System.out;
        System.setOut(System.err);
        Exit.setExitProcedure((status, message) -> {
            throw new Exited(status);
        });
        Exit.setHaltProcedure((status, message) -> {
            throw new Exited(status);
        });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                answer(JSON.readTree(line), answer);
            } catch (Exception e) {
                answer.put("failed", e.toString());
                e.printStackTrace();
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void answer(JsonNode ask, ObjectNode answer) throws Exception {
        switch (ask.get("op").asText()) {
            case "produce":
                produce(ask, answer.putArray("results"));
                break;
            case "consume":
                consume(ask, answer);
                break;
            case "offsets":
                offsets(ask, answer.putArray("results"));
                break;
            case "main":
                tool(ask, answer);
                break;
            default:
                throw new IllegalArgumentException("no such op");
        }
    }

    private static Properties properties(JsonNode ask) {
        Properties p = new Properties();
        ask.get("config").fields().forEachRemaining(e -> p.put(e.getKey(), e.getValue().asText()));
        return p;
    }

    private static byte[] bytes(JsonNode node) throws IOException {
        return node == null || node.isNull() ? null : node.binaryValue();
    }

    private static void produce(JsonNode ask, ArrayNode results) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        ByteArraySerializer s = new ByteArraySerializer();
        boolean alone = ask.path("alone").asBoolean();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties(ask), s, s)) {
            for (JsonNode r : ask.get("records")) {
                Long timestamp = r.get("timestamp").isNull() ? null : r.get("timestamp").asLong();
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                    ask.get("topic").asText(), ask.get("partition").asInt(), timestamp, bytes(r.get("key")), bytes(r.get("value")));
                for (JsonNode h : r.get("headers")) {
                    record.headers().add(h.get("key").asText(), bytes(h.get("value")));
                }
                sent.add(producer.send(record));
                if (alone) {
                    producer.flush();
                }
            }
        }
        for (Future<RecordMetadata> f : sent) {
            ObjectNode result = results.addObject();
            try {
                RecordMetadata m = f.get();
                result.put("offset", m.hasOffset() ? m.offset() : -1).put("timestamp", m.timestamp());
            } catch (ExecutionException e) {
                result.put("error", e.getCause().getClass().getSimpleName());
            }
        }
    }

    /** Reads `count` records from all the topic's partitions or from one, in the order in which they come. */
    private static void consume(JsonNode ask, ObjectNode answer) throws Exception {
        ArrayNode records = answer.putArray("records");
        ByteArrayDeserializer d = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties(ask), d, d)) {
            String topic = ask.get("topic").asText();
            List<TopicPartition> partitions = new ArrayList<>();
            if (ask.get("partition").asInt() >= 0) {
                partitions.add(new TopicPartition(topic, ask.get("partition").asInt()));
            } else {
                for (PartitionInfo p : consumer.partitionsFor(topic)) {
                    partitions.add(new TopicPartition(topic, p.partition()));
                }
            }
            consumer.assign(partitions);
            for (TopicPartition p : partitions) {
                consumer.seek(p, ask.get("offset").asLong());
            }
            long deadline = System.nanoTime() + ask.get("timeout_ms").asLong() * 1_000_000;
            while (records.size() < ask.get("count").asInt() && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    ObjectNode o = records.addObject();
                    o.put("partition", r.partition()).put("offset", r.offset()).put("timestamp", r.timestamp());
                    o.put("timestamp_type", r.timestampType().id).put("key", r.key()).put("value", r.value());
                    ArrayNode headers = o.putArray("headers");
                    for (Header h : r.headers()) {
                        headers.addObject().put("key", h.key()).put("value", h.value());
                    }
                }
            }
        }
    }

    /** For each asked time its first offset; -1 is the end, -2 the beginning. */
    private static void offsets(JsonNode ask, ArrayNode results) {
        ByteArrayDeserializer d = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties(ask), d, d)) {
            TopicPartition p = new TopicPartition(ask.get("topic").asText(), ask.get("partition").asInt());
            for (JsonNode time : ask.get("times")) {
                ObjectNode result = results.addObject();
                if (time.asLong() == -1) {
                    result.put("offset", consumer.endOffsets(Collections.singleton(p)).get(p));
                } else if (time.asLong() == -2) {
                    result.put("offset", consumer.beginningOffsets(Collections.singleton(p)).get(p));
                } else {
                    OffsetAndTimestamp found = consumer.offsetsForTimes(Collections.singletonMap(p, time.asLong())).get(p);
                    result.put("offset", found == null ? null : (Long) found.offset());
                    result.put("timestamp", found == null ? null : (Long) found.timestamp());
                }
            }
        }
    }

    private static void tool(JsonNode ask, ObjectNode answer) throws Exception {
        List<String> args = new ArrayList<>();
        ask.get("args").forEach(a -> args.add(a.asText()));
        InputStream in = System.in;
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        System.setIn(new ByteArrayInputStream(ask.get("stdin").binaryValue()));
        System.setOut(new PrintStream(outBytes, true));
        System.setErr(new PrintStream(errBytes, true));
        int status = 0;
        try {
            scala.Console.withOut(System.out, () -> run(ask.get("class").asText(), args));
        } catch (Exited e) {
            status = e.status;
        } finally {
            System.out.flush();
            System.setIn(in);
            System.setOut(out);
            System.setErr(err);
        }
        answer.put("status", status).put("out", outBytes.toByteArray()).put("err", errBytes.toByteArray());
    }

    private static Object run(String name, List<String> args) {
        try {
            Class<?> tool = Class.forName(name);
            for (Method m : tool.getMethods()) {
                // 2.8's console consumer counts to --max-messages in a static field.
                if (m.getName().equals("messageCount_$eq")) {
                    m.invoke(null, 0);
                }
            }
            tool.getMethod("main", String[].class).invoke(null, (Object) args.toArray(new String[0]));
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Exited) {
                throw (Exited) e.getCause();
            }
            throw new IllegalStateException(e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
        return null;
    }
}
