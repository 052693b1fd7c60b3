import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

/** What the programs share: the connection that the environment describes, and a line for each step. */
final class Steps {
    private static boolean failed;

    private Steps() {}

    interface Step {
        void run() throws Exception;
    }

    /** Runs a step and prints "ok NAME" or "not ok NAME -- reason"; the program goes on. */
    static void step(String name, Step step) {
        try {
            step.run();
            System.out.println("ok " + name);
        } catch (Throwable e) {
            failed = true;
            Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
            System.out.println("not ok " + name + " -- " + cause.toString().replace('\n', ' '));
            cause.printStackTrace();
        }
    }

    /** Ends the program; its status says whether every step held. */
    static void end() {
        System.out.flush();
        System.exit(failed ? 1 : 0);
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object want, Object got, String what) {
        check(want.equals(got), what + " is " + got + ", not " + want);
    }

    /** Runs what must fail with an exception of that class, also inside of another. */
    static void fails(Class<? extends Throwable> expected, Callable<?> action) throws Exception {
        try {
            action.call();
        } catch (Exception e) {
            for (Throwable t = e; t != null; t = t.getCause()) {
                if (expected.isInstance(t)) {
                    return;
                }
            }
            throw e;
        }
        throw new AssertionError("no " + expected.getSimpleName());
    }

    /** Settings of a client: the broker and its security from the environment, then the pairs. */
    static Properties settings(Object... pairs) {
        Map<String, String> env = System.getenv();
        Properties p = new Properties();
        p.put("bootstrap.servers", env.get("BROKER"));
        if (env.containsKey("SASL_MECHANISM")) {
            p.put("security.protocol", "SASL_SSL");
            p.put("ssl.truststore.type", "PEM");
            p.put("ssl.truststore.location", env.get("SSL_CA"));
            p.put("sasl.mechanism", env.get("SASL_MECHANISM"));
            String module = env.get("SASL_MECHANISM").equals("PLAIN")
                ? "org.apache.kafka.common.security.plain.PlainLoginModule"
                : "org.apache.kafka.common.security.scram.ScramLoginModule";
            p.put("sasl.jaas.config", module + " required username=\"" + env.get("SASL_USER")
                + "\" password=\"" + env.get("SASL_PASSWORD") + "\";");
        }
        for (int i = 0; i < pairs.length; i += 2) {
            p.put(pairs[i], pairs[i + 1]);
        }
        return p;
    }
}
