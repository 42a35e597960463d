'use strict';

module.exports = { rootDir: __dirname, testMatch: ['**/*.test.js'], testEnvironment: 'node' };
