package eu.fts.oracle;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * XAdES signatures (EN 319 132-1) by EU DSS: made, extended and renewed, with DSS's own choices of form. For signing,
 * key and service live between calls as those of {@link Signer}.
 */
final class XmlSigner {

    private final Map<Deployment, Session> sessions = new HashMap<>();

    /**
     * {@code packaging} as DSS names it; without {@code pkcs8} the document's signatures are extended to the level;
     * without {@code digest} the digests are DSS's defaults.
     */
    record Request(
            String path,
            String output,
            String pkcs8,
            List<String> chain,
            String tsaUrl,
            String level,
            String packaging,
            DigestAlgorithm digest,
            List<String> anchors) {}

    record Answer(String output) {}

    private record Deployment(String pkcs8, List<String> chain, String tsaUrl, List<String> anchors) {}

    private record Session(SigningKey key, XAdESService service) {}

    Answer sign(Request request) throws IOException, GeneralSecurityException {
        XAdESSignatureParameters parameters = parameters(request);
        DSSDocument document = new FileDocument(request.path());
        DSSDocument result;
        if (request.pkcs8() == null) {
            result = service(request.tsaUrl(), request.anchors()).extendDocument(document, parameters);
        } else {
            Session session = session(request);
            SigningKey key = session.key();
            XAdESService service = session.service();
            parameters.setSignaturePackaging(SignaturePackaging.valueOf(request.packaging()));
            parameters.setSigningCertificate(key.entry().getCertificate());
            parameters.setCertificateChain(key.entry().getCertificateChain());
            SignatureValue value = key.sign(
                    service.getDataToSign(document, parameters), parameters.getDigestAlgorithm(), key.entry());
            result = service.signDocument(document, parameters, value);
        }
        result.save(request.output());
        return new Answer(request.output());
    }

    private Session session(Request request) throws IOException, GeneralSecurityException {
        Deployment deployment =
                new Deployment(request.pkcs8(), request.chain(), request.tsaUrl(), request.anchors());
        Session session = sessions.get(deployment);
        if (session == null) {
            session = new Session(
                    SigningKey.fromPkcs8(Path.of(request.pkcs8()), request.chain()),
                    service(request.tsaUrl(), request.anchors()));
            sessions.put(deployment, session);
        }
        return session;
    }

    private static XAdESSignatureParameters parameters(Request request) {
        XAdESSignatureParameters parameters = new XAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.valueOf("XAdES_BASELINE_" + request.level()));
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        if (request.digest() != null) {
            parameters.setDigestAlgorithm(request.digest());
            parameters.getSignatureTimestampParameters().setDigestAlgorithm(request.digest());
            parameters.getArchiveTimestampParameters().setDigestAlgorithm(request.digest());
        }
        return parameters;
    }

    private static XAdESService service(String tsaUrl, List<String> anchors) throws IOException {
        XAdESService service = new XAdESService(OnlineServices.verifier(anchors));
        service.setTspSource(OnlineServices.timestamps(tsaUrl));
        return service;
    }
}
