<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"
    xmlns:xades141="http://uri.etsi.org/01903/v1.4.1#" xmlns:fts="urn:fts-gateway:signed-documents:1"
    xmlns:i="urn:example:invoice" exclude-result-prefixes="ds xades xades141 fts i">
  <xsl:import href="../../identity.xsl"/>
  <xsl:template match="xades:QualifyingProperties">
    <xsl:copy><xsl:apply-templates select="@*|node()"/>paid</xsl:copy>
  </xsl:template>
</xsl:stylesheet>
