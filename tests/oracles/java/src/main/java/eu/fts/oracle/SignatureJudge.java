package eu.fts.oracle;

import eu.europa.esig.dss.diagnostic.AbstractSignatureWrapper;
import eu.europa.esig.dss.diagnostic.CertificateRevocationWrapper;
import eu.europa.esig.dss.diagnostic.CertificateWrapper;
import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.diagnostic.jaxb.XmlObjectModification;
import eu.europa.esig.dss.diagnostic.jaxb.XmlSignatureScope;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.policy.ValidationPolicy;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.policy.SignaturePolicyProvider;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.policy.ValidationPolicyLoader;
import eu.europa.esig.dss.validation.reports.Reports;
import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;

/**
 * Validation of signatures and time-stamps in PDF, XML and ASiC containers (EN 319 102-1) by EU DSS under its default
 * policy, offline: only what the document carries and the given trust anchors count. Nothing is fetched.
 */
final class SignatureJudge {

    private final ValidationPolicy policy =
            ValidationPolicyLoader.fromDefaultValidationPolicy().create();

    /**
     * {@code at} is the validation time in ISO 8601, or null for now; {@code detached} are the files that a detached
     * signature names, or null.
     */
    record Request(String path, List<String> anchors, String at, List<String> detached) {}

    /** {@code container} is DSS's name of the kind of ASiC, null for other documents. */
    record Answer(
            String validationTime,
            String container,
            List<SignatureReport> signatures,
            List<TimestampReport> timestamps,
            List<RevocationReport> revocations) {}

    record SignatureReport(
            String id,
            String indication,
            String subIndication,
            String level,
            String claimedSigningTime,
            String bestSignatureTime,
            String signer,
            String digestAlgorithm,
            String encryptionAlgorithm,
            List<String> fieldNames,
            List<BigInteger> byteRange,
            List<Scope> scopes,
            List<Modification> modifications,
            List<String> errors,
            List<String> warnings) {}

    record TimestampReport(
            String id,
            String type,
            String indication,
            String subIndication,
            String productionTime,
            String signer,
            String digestAlgorithm,
            String imprintAlgorithm,
            List<String> fieldNames,
            List<BigInteger> byteRange,
            List<Scope> scopes,
            List<Modification> modifications,
            List<String> errors,
            List<String> warnings) {}

    /** What is covered; {@code kind} is FULL or PARTIAL for a document, SIGNATURE for a signature. */
    record Scope(String kind, String name, String description) {}

    /** A change made to the PDF after the revision was signed; {@code detail} is an object path or a page number. */
    record Modification(String kind, String action, String detail) {}

    /** Revocation data found for one certificate; {@code origin} tells in which dictionary it was. */
    record RevocationReport(
            String certificate,
            String type,
            String origin,
            String status,
            String thisUpdate,
            String nextUpdate,
            String production) {}

    Answer validate(Request request) {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setAIASource(null);
        verifier.setTrustedCertSources(Certificates.anchors(request.anchors()));
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(request.path()));
        validator.setCertificateVerifier(verifier);
        validator.setSignaturePolicyProvider(new SignaturePolicyProvider());
        validator.setEnableEtsiValidationReport(false);
        if (request.detached() != null) {
            List<DSSDocument> files = new ArrayList<>();
            request.detached().forEach(file -> files.add(new FileDocument(file)));
            validator.setDetachedContents(files);
        }
        if (request.at() != null) {
            validator.setValidationTime(Date.from(Instant.parse(request.at())));
        }
        Reports reports = validator.validateDocument(policy);
        SimpleReport verdicts = reports.getSimpleReport();
        DiagnosticData facts = reports.getDiagnosticData();
        return new Answer(
                time(verdicts.getValidationTime()),
                name(facts.getContainerType()),
                facts.getSignatures().stream().map(s -> signature(s, verdicts)).toList(),
                facts.getTimestampList().stream().map(t -> timestamp(t, verdicts)).toList(),
                revocations(facts));
    }

    private static SignatureReport signature(SignatureWrapper signature, SimpleReport verdicts) {
        String id = signature.getId();
        return new SignatureReport(
                id,
                name(verdicts.getIndication(id)),
                name(verdicts.getSubIndication(id)),
                name(signature.getSignatureFormat()),
                time(signature.getClaimedSigningTime()),
                time(verdicts.getBestSignatureTime(id)),
                subject(signature.getSigningCertificate()),
                name(signature.getDigestAlgorithm()),
                name(signature.getEncryptionAlgorithm()),
                signature.getSignatureFieldNames(),
                signature.getSignatureByteRange(),
                scopes(signature.getSignatureScopes()),
                modifications(signature),
                texts(verdicts.getAdESValidationErrors(id)),
                texts(verdicts.getAdESValidationWarnings(id)));
    }

    private static TimestampReport timestamp(TimestampWrapper timestamp, SimpleReport verdicts) {
        String id = timestamp.getId();
        return new TimestampReport(
                id,
                name(timestamp.getType()),
                name(verdicts.getIndication(id)),
                name(verdicts.getSubIndication(id)),
                time(timestamp.getProductionTime()),
                subject(timestamp.getSigningCertificate()),
                name(timestamp.getDigestAlgorithm()),
                timestamp.getMessageImprint() == null
                        ? null
                        : name(timestamp.getMessageImprint().getDigestMethod()),
                timestamp.getSignatureFieldNames(),
                timestamp.getSignatureByteRange(),
                scopes(timestamp.getTimestampScopes()),
                modifications(timestamp),
                texts(verdicts.getAdESValidationErrors(id)),
                texts(verdicts.getAdESValidationWarnings(id)));
    }

    private static List<RevocationReport> revocations(DiagnosticData facts) {
        List<RevocationReport> found = new ArrayList<>();
        for (CertificateWrapper certificate : facts.getUsedCertificates()) {
            for (CertificateRevocationWrapper revocation : certificate.getCertificateRevocationData()) {
                found.add(new RevocationReport(
                        certificate.getCertificateDN(),
                        name(revocation.getRevocationType()),
                        name(revocation.getOrigin()),
                        name(revocation.getStatus()),
                        time(revocation.getThisUpdate()),
                        time(revocation.getNextUpdate()),
                        time(revocation.getProductionDate())));
            }
        }
        return found;
    }

    private static List<Scope> scopes(List<XmlSignatureScope> scopes) {
        return scopes.stream()
                .map(scope -> new Scope(name(scope.getScope()), scope.getName(), scope.getDescription()))
                .toList();
    }

    private static List<Modification> modifications(AbstractSignatureWrapper revision) {
        List<Modification> found = new ArrayList<>();
        addObjects(found, "EXTENSION", revision.getPdfExtensionChanges());
        addObjects(found, "SIGNATURE_OR_FORM_FILL", revision.getPdfSignatureOrFormFillChanges());
        addObjects(found, "ANNOTATION", revision.getPdfAnnotationChanges());
        addObjects(found, "UNDEFINED", revision.getPdfUndefinedChanges());
        addPages(found, "ANNOTATION_OVERLAP", revision.getPdfAnnotationsOverlapConcernedPages());
        addPages(found, "VISUAL_DIFFERENCE", revision.getPdfVisualDifferenceConcernedPages());
        addPages(found, "PAGE_DIFFERENCE", revision.getPdfPageDifferenceConcernedPages());
        return found;
    }

    private static void addObjects(List<Modification> found, String kind, List<XmlObjectModification> changes) {
        for (XmlObjectModification change : changes) {
            found.add(new Modification(kind, name(change.getAction()), change.getValue()));
        }
    }

    private static void addPages(List<Modification> found, String kind, List<BigInteger> pages) {
        for (BigInteger page : pages) {
            found.add(new Modification(kind, null, "page " + page));
        }
    }

    private static List<String> texts(List<Message> messages) {
        return messages.stream()
                .map(message -> message.getKey() + ": " + message.getValue())
                .toList();
    }

    private static String subject(CertificateWrapper certificate) {
        return certificate == null ? null : certificate.getCertificateDN();
    }

    private static String time(Date date) {
        return date == null ? null : date.toInstant().toString();
    }

    private static String name(Enum<?> value) {
        return value == null ? null : value.name();
    }
}
