package eu.fts.oracle;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;

/**
 * Reads one JSON request a line from standard input and answers each with one JSON line on standard output.
 *
 * <p>An answer echoes {@code id} and holds either {@code result} or {@code error} and {@code error_type}, and the
 * cost of the command in milliseconds: {@code wall_ms}, {@code cpu_ms} (of all threads of the process, compiler and
 * garbage collector included, in ticks of the operating system), {@code thread_cpu_ms} (of the thread that ran the
 * command) and {@code process_cpu_ms} (of the process since its start). The process ends when its input does.
 */
public final class Oracle {

    private static final double NANOS_PER_MILLI = 1e6;

    private final ObjectMapper json = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
            .build();
    private final OperatingSystemMXBean process =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final SignatureJudge signatures = new SignatureJudge();
    private final Signer signer = new Signer();
    private final PdfaJudge pdfa = new PdfaJudge();
    private final XmlCanonicalizer xml = new XmlCanonicalizer();
    private final XmlCore xmlCore = new XmlCore();
    private final XmlSigner xmlSigner = new XmlSigner();
    private final ContainerSigner containerSigner = new ContainerSigner();

    public static void main(String[] args) throws IOException {
        PrintStream answers = System.out;
        System.setOut(System.err);
        new Oracle().serve(
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)),
                new PrintStream(answers, true, StandardCharsets.UTF_8));
    }

    private void serve(BufferedReader requests, PrintStream answers) throws IOException {
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(json.writeValueAsString(answer(line)));
        }
    }

    /** Every failure of a command becomes an answer: a stack overflow on a hostile file costs that file only. */
    private ObjectNode answer(String line) {
        long wall = System.nanoTime();
        long threadCpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        long processCpu = process.getProcessCpuTime();
        ObjectNode answer = json.createObjectNode();
        answer.set("id", NullNode.getInstance());
        try {
            JsonNode request = json.readTree(line);
            answer.set("id", request.path("id"));
            answer.set("result", json.valueToTree(run(request)));
        } catch (Throwable failure) {
            failure.printStackTrace();
            answer.remove("result");
            answer.put("error", String.valueOf(failure.getMessage()));
            answer.put("error_type", failure.getClass().getName());
        }
        long processCpuNow = process.getProcessCpuTime();
        answer.put("wall_ms", (System.nanoTime() - wall) / NANOS_PER_MILLI);
        answer.put("cpu_ms", (processCpuNow - processCpu) / NANOS_PER_MILLI);
        answer.put("thread_cpu_ms",
                (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - threadCpu) / NANOS_PER_MILLI);
        answer.put("process_cpu_ms", processCpuNow / NANOS_PER_MILLI);
        return answer;
    }

    private Object run(JsonNode request) throws Exception {
        String command = request.path("command").asText();
        return switch (command) {
            case "validate" -> signatures.validate(parse(request, SignatureJudge.Request.class));
            case "sign" -> signer.sign(parse(request, Signer.Request.class));
            case "verapdf" -> pdfa.check(parse(request, PdfaJudge.Request.class));
            case "sign_xml" -> xmlSigner.sign(parse(request, XmlSigner.Request.class));
            case "sign_container" -> containerSigner.sign(parse(request, ContainerSigner.Request.class));
            case "verify_core" -> xmlCore.verify(parse(request, XmlCore.Request.class));
            case "canonicalize" -> xml.canonicalize(parse(request, XmlCanonicalizer.Request.class));
            case "ping" -> Versions.current();
            default -> throw new IllegalArgumentException("unknown command: " + command);
        };
    }

    private <T> T parse(JsonNode request, Class<T> type) throws JsonProcessingException {
        return json.treeToValue(request.path("arguments"), type);
    }
}
