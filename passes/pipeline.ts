import { assignLevels } from "./assign-levels.ts";
import { chooseKeys } from "./choose-keys.ts";
import { circulant } from "./circulant.ts";
import { confirmCirculant } from "./confirm-circulant.ts";
import { diracSkips } from "./dirac-skips.ts";
import { expandPolynomial } from "./expand-polynomial.ts";
import { fitActivations } from "./fit-activations.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldLinear } from "./fold-linear.ts";
import { fuseSums } from "./fuse-sums.ts";
import { lowerToHe } from "./lower-to-he.ts";
import { pack } from "./pack.ts";
import type { Pass } from "./pass.ts";
import { prune } from "./prune.ts";
import { rejectUnsupported } from "./reject-unsupported.ts";
import { rewriteSkips } from "./rewrite-skips.ts";
import { shareRotations } from "./share-rotations.ts";

/** Every pass, in the order `compile` runs them, with the reason for its place. */
export const pipeline: readonly Pass[] = [
  circulant, // first: it changes weights, and with them the values that activations are fitted to
  fitActivations, // before reject-unsupported, which reports what is left
  rejectUnsupported, // before layers are folded: names the layers as the user wrote them
  foldBatchNorm, // before expand-polynomial: a convolution without its normalization between can take a factor
  diracSkips, // after fold-batch-norm, which may stand between; before rewrite-skips: what it asks away is not to be folded
  rewriteSkips, // after fold-batch-norm, which may stand between; before expand-polynomial: a layer takes a factor, a sum does not
  expandPolynomial, // before fold-linear: its factors and sums fold into the weights beside them
  foldLinear, // before packing: it changes weights and shapes, which packing lays out
  confirmCirculant, // after fold-linear, the last to change weights; before fuse-sums, which leaves annotated layers alone
  fuseSums, // after fold-linear, which works on the layers one by one; before packing: it lays a sum out as one layer
  prune, // right before packing, by which it knows what weights cost; the passes before have made the weights that are packed
  pack, // before levels: laying a value out anew costs a level
  assignLevels, // before lowering: every ciphertext and plaintext is encoded for its level
  lowerToHe, // last to see layers
  shareRotations, // after lowering: only there two layers' rotations of one value look alike
  chooseKeys, // last: what is left are the rotations that will run
];
