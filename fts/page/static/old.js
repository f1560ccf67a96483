// Run only by browsers that know no modules: everything else on the page would stay silent in them.
document.getElementById("old").hidden = false;
