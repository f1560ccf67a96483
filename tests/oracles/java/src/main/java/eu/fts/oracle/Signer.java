package eu.fts.oracle;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * PAdES signatures (EN 319 142-1) by EU DSS, as an ordinary DSS deployment makes them: key, certificate verifier,
 * HTTP connections and service live between calls; CRLs and CA certificates are cached in files until they expire;
 * OCSP responses are fetched for each signature. A caller that replaces a key, an anchor or an authority behind an
 * address gives the new files new names, because they are read once.
 */
final class Signer {

    private final Map<Deployment, Session> sessions = new HashMap<>();

    /** {@code level} is B, T, LT or LTA; the key is {@code pkcs8} with {@code chain}, or {@code pkcs12} with its password. */
    record Request(
            String path,
            String output,
            String pkcs8,
            List<String> chain,
            String pkcs12,
            String password,
            String tsaUrl,
            String level,
            DigestAlgorithm digest,
            List<String> anchors) {

        Deployment deployment() {
            return new Deployment(pkcs8, chain, pkcs12, password, tsaUrl, anchors);
        }
    }

    record Answer(long size) {}

    private record Deployment(
            String pkcs8, List<String> chain, String pkcs12, String password, String tsaUrl, List<String> anchors) {}

    private record Session(SigningKey key, PAdESService service) {}

    Answer sign(Request request) throws IOException, GeneralSecurityException {
        Deployment deployment = request.deployment();
        Session session = sessions.get(deployment);
        if (session == null) {
            session = new Session(key(deployment), service(deployment));
            sessions.put(deployment, session);
        }
        DSSDocument document = new FileDocument(request.path());
        PAdESSignatureParameters parameters = parameters(request, session.key());
        ToBeSigned toBeSigned = session.service().getDataToSign(document, parameters);
        SignatureValue value = session.key().sign(toBeSigned, request.digest(), session.key().entry());
        DSSDocument signed = session.service().signDocument(document, parameters, value);
        signed.save(request.output());
        return new Answer(Files.size(Path.of(request.output())));
    }

    private static PAdESSignatureParameters parameters(Request request, SigningKey key) {
        PAdESSignatureParameters parameters = new PAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.valueOf("PAdES_BASELINE_" + request.level()));
        parameters.setDigestAlgorithm(request.digest());
        parameters.setSigningCertificate(key.entry().getCertificate());
        parameters.setCertificateChain(key.entry().getCertificateChain());
        parameters.getSignatureTimestampParameters().setDigestAlgorithm(request.digest());
        parameters.getArchiveTimestampParameters().setDigestAlgorithm(request.digest());
        return parameters;
    }

    private static SigningKey key(Deployment deployment) throws IOException, GeneralSecurityException {
        return deployment.pkcs12() == null
                ? SigningKey.fromPkcs8(Path.of(deployment.pkcs8()), deployment.chain())
                : SigningKey.fromPkcs12(Path.of(deployment.pkcs12()), deployment.password());
    }

    private static PAdESService service(Deployment deployment) throws IOException {
        PAdESService service = new PAdESService(OnlineServices.verifier(deployment.anchors()));
        service.setTspSource(OnlineServices.timestamps(deployment.tsaUrl()));
        return service;
    }
}
