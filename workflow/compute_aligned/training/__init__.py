"""Parts of the two training loops: optimiser steps, margins, rollouts, update weights."""
