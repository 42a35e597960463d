import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  workers: 1, // each worker has a server, a desk and a browser
  timeout: 60_000,
  expect: { timeout: 15_000 }, // calls take their time on machines that have much to do
  reporter: [['list']],
  use: {
    launchOptions: {
      executablePath: process.env.CHROMIUM, // Playwright's own, if nothing is said
      args: process.env.CI || process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
});
