import kit from './playwright.js';

export const { withSwitchboard } = kit;
