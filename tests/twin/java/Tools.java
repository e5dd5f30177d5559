// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/** Runs Kafka's command-line tools one after the other in one process, since each start of Java costs a second or two.
 *  A line on standard input is a class and its arguments, separated by tabs; the answer is a line `EXIT_CODE BYTES` and then what the
 *  tool printed, standard output and errors together. */
public final class Tools {
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int code;

        Ended(int code, String message) {
            super(message, null, false, false);
            this.code = code;
        }
    }

    private static int run(String[] words, PrintStream printed) {
        try {
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            return 0;
        } catch (InvocationTargetException failure) {
            if (failure.getCause() instanceof Ended ended) {
                if (ended.getMessage() != null)
                    printed.println(ended.getMessage());
                return ended.code;
            }
            printed.println(failure.getCause());
            return 1;
        } catch (ReflectiveOperationException failure) {
            printed.println("no such tool: " + failure);
            return -1;
        }
    }

    public static void main(String[] none) throws IOException {
        PrintStream answers = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
        System.setOut(out);
        System.setErr(out);
        Exit.setExitProcedure((code, message) -> { throw new Ended(code, message); });
        Exit.setHaltProcedure((code, message) -> { throw new Ended(code, message); });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            printed.reset();
            int code = run(line.split("\t"), out);
            out.flush();
            answers.println(code + " " + printed.size());
            printed.writeTo(answers);
            answers.flush();
        }
    }
}
