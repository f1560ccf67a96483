package eu.fts.oracle;

import eu.europa.esig.dss.pades.signature.PAdESService;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;

/** Names of what judges, as read from the libraries themselves. */
record Versions(String dss, String verapdf, String java) {

    static Versions current() {
        return new Versions(
                version(PAdESService.class), version(VeraGreenfieldFoundryProvider.class), System.getProperty("java.version"));
    }

    /** Version in the name of the jar that holds the class: {@code dss-pades-6.4.jar} gives {@code 6.4}. */
    private static String version(Class<?> type) {
        String path = type.getProtectionDomain().getCodeSource().getLocation().getPath();
        return path.substring(path.lastIndexOf('-') + 1, path.length() - ".jar".length());
    }
}
