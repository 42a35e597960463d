'use strict';

module.exports = { ...require('../../playwright/playwright.config.js'), testDir: __dirname };
