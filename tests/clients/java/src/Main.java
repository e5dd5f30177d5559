// SPDX-License-Identifier: Apache-2.0
import java.nio.file.Path;

/** usage: java Main HOST:PORT DATA_DIRECTORY [PATTERN]: the cases of the stock Java client against one running node. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        Suite suite = new Suite();
        int failed;
        try (Cluster cluster = new Cluster(arguments[0], Path.of(arguments[1]))) {
            TopicCases.addTo(suite, cluster);
            RecordCases.addTo(suite, cluster);
            OffsetCases.addTo(suite, cluster);
            GroupCases.addTo(suite, cluster);
            LoadCases.addTo(suite, cluster);
            failed = suite.run(arguments.length > 2 ? arguments[2] : "");
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
