'use strict';

/** A headless Chromium of this machine, driven by playwright-core. Tests say what they skip where there is none. */

const { accessSync, constants } = require('node:fs');
const path = require('node:path');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser's program on PATH, or `undefined`. */
const executablePath = (process.env.PATH ?? '')
  .split(path.delimiter)
  .flatMap((folder) => NAMES.map((name) => path.join(folder, name)))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why nothing can be launched, for `test.skip`; `undefined` where it can. */
const missing =
  executablePath === undefined ? 'chromium is not installed: apt-get install chromium' : undefined;

/** @return {Promise<import('playwright-core').Browser>} Close it when done */
function launchChromium() {
  const { chromium } = require('playwright-core');
  // Without a sandbox, which root and most containers cannot have; the pages are our own.
  return chromium.launch({ executablePath, chromiumSandbox: false });
}

module.exports = { launchChromium, missing };
