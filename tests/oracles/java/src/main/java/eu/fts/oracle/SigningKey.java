package eu.fts.oracle;

import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.token.AbstractSignatureTokenConnection;
import eu.europa.esig.dss.token.DSSPrivateKeyEntry;
import eu.europa.esig.dss.token.KSPrivateKeyEntry;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.KeyStore.PrivateKeyEntry;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;

/** A private key held in memory with its chain, as a DSS token with one entry. */
final class SigningKey extends AbstractSignatureTokenConnection {

    private static final String ALIAS = "signer";

    private final DSSPrivateKeyEntry entry;

    private SigningKey(PrivateKeyEntry entry) {
        this.entry = new KSPrivateKeyEntry(ALIAS, entry);
    }

    /** Unencrypted PKCS#8 (RFC 5958), DER or PEM; the first certificate of the chain is the signer's. */
    static SigningKey fromPkcs8(Path key, List<String> chain) throws IOException, GeneralSecurityException {
        CertificateToken[] tokens = Certificates.chain(chain);
        X509Certificate[] certificates =
                Arrays.stream(tokens).map(CertificateToken::getCertificate).toArray(X509Certificate[]::new);
        PrivateKey privateKey = KeyFactory.getInstance(tokens[0].getPublicKey().getAlgorithm())
                .generatePrivate(new PKCS8EncodedKeySpec(der(Files.readAllBytes(key))));
        return new SigningKey(new PrivateKeyEntry(privateKey, certificates));
    }

    /** PKCS#12 (RFC 7292) with exactly one private key. */
    static SigningKey fromPkcs12(Path store, String password) throws IOException, GeneralSecurityException {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream content = Files.newInputStream(store)) {
            keys.load(content, password.toCharArray());
        }
        List<String> aliases = Collections.list(keys.aliases()).stream()
                .filter(alias -> isKey(keys, alias))
                .toList();
        if (aliases.size() != 1) {
            throw new GeneralSecurityException(store + " holds " + aliases.size() + " private keys, not one");
        }
        return new SigningKey((PrivateKeyEntry)
                keys.getEntry(aliases.get(0), new KeyStore.PasswordProtection(password.toCharArray())));
    }

    DSSPrivateKeyEntry entry() {
        return entry;
    }

    @Override
    public List<DSSPrivateKeyEntry> getKeys() {
        return List.of(entry);
    }

    @Override
    public void close() {
        // nothing but memory is held
    }

    private static boolean isKey(KeyStore keys, String alias) {
        try {
            return keys.isKeyEntry(alias);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] der(byte[] key) {
        String text = new String(key, StandardCharsets.US_ASCII);
        return text.startsWith("-----BEGIN ")
                ? Base64.getMimeDecoder().decode(text.replaceAll("-----[A-Z ]+-----", ""))
                : key;
    }
}
