// SPDX-License-Identifier: Apache-2.0
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.regex.Pattern;

/** Runs named cases, prints each with its time, and ends with `N passed, N failed`. */
final class Suite {
    interface Body {
        void run() throws Exception;
    }

    private record Case(String name, Body body) {}

    private final List<Case> cases = new ArrayList<>();

    void add(String name, Body body) {
        cases.add(new Case(name, body));
    }

    /** Runs the cases whose name the pattern finds; answers how many failed. */
    int run(String wanted) {
        int passed = 0, failed = 0;
        for (Case one : cases) {
            if (!Pattern.compile(wanted).matcher(one.name).find())
                continue;
            long start = System.nanoTime();
            try {
                one.body.run();
                passed++;
                System.out.printf("ok    %s  %.1f s%n", one.name, (System.nanoTime() - start) / 1e9);
            } catch (Throwable error) {
                failed++;
                System.out.printf("FAIL  %s  %.1f s%n", one.name, (System.nanoTime() - start) / 1e9);
                error.printStackTrace(System.out);
            }
        }
        System.out.printf("%d passed, %d failed%n", passed, failed);
        return failed;
    }

    static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    static void same(Object wanted, Object found, String what) {
        check(Objects.equals(wanted, found), what + ": wanted " + wanted + ", found " + found);
    }

    /** The body must fail with exactly this exception, alone or as the cause of a future's. */
    static <T extends Throwable> T fails(Class<? extends T> wanted, Body body) throws Exception {
        try {
            body.run();
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            if (cause.getClass() == wanted)
                return wanted.cast(cause);
            throw new AssertionError("wanted " + wanted.getSimpleName() + ", found " + cause, cause);
        }
        throw new AssertionError("nothing failed, wanted " + wanted.getSimpleName());
    }
}
