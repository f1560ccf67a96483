package eu.fts.oracle;

import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.flavours.PDFAFlavour.SpecificationFamily;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.RuleId;

/** PDF/A conformance (ISO 19005) by veraPDF, against the part and level that the file's own XMP claims. */
final class PdfaJudge {

    private static final int FAILURES_SHOWN_PER_RULE = 1;

    /** What the parser names for a file without any claim: a flavour that no file can claim by its XMP. */
    private static final PDFAFlavour NOTHING_CLAIMED = PDFAFlavour.WCAG_2_2;

    record Request(String path) {}

    /** One violated rule; {@code description} is the rule's, {@code occurrences} how often it was violated. */
    record Failure(String clause, int test, String description, String location, int occurrences) {}

    /** {@code flavour} is null for a file that claims no PDF/A conformance; nothing is checked then. */
    record Answer(String flavour, boolean compliant, List<Failure> failures, int checks) {}

    PdfaJudge() {
        VeraGreenfieldFoundryProvider.initialise();
    }

    Answer check(Request request) throws Exception {
        try (PDFAParser parser = Foundries.defaultInstance()
                .createParser(new File(request.path()), PDFAFlavour.NO_FLAVOUR, NOTHING_CLAIMED)) {
            Optional<PDFAFlavour> claimed = parser.getFlavours().stream()
                    .filter(flavour -> flavour.getPart().getFamily() == SpecificationFamily.PDF_A)
                    .findFirst();
            if (claimed.isEmpty()) {
                return new Answer(null, false, List.of(), 0);
            }
            PDFAFlavour flavour = claimed.get();
            parser.setFlavours(List.of(flavour));
            try (PDFAValidator validator = Foundries.defaultInstance()
                    .createValidator(flavour, FAILURES_SHOWN_PER_RULE, false, true, false)) {
                ValidationResult result = validator.validate(parser);
                return new Answer(
                        flavour.getId(), result.isCompliant(), failures(result), result.getTotalAssertions());
            }
        }
    }

    private static List<Failure> failures(ValidationResult result) {
        Map<RuleId, Integer> occurrences = result.getFailedChecks();
        return result.getTestAssertions().stream()
                .filter(assertion -> assertion.getStatus() == TestAssertion.Status.FAILED)
                .map(assertion -> new Failure(
                        assertion.getRuleId().getClause(),
                        assertion.getRuleId().getTestNumber(),
                        assertion.getMessage(),
                        assertion.getLocation().getContext(),
                        occurrences.getOrDefault(assertion.getRuleId(), 1)))
                .toList();
    }
}
