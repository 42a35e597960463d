// What the stories of the desk begin with: a server, the desk as its own process, agents' pages, and customers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withSwitchboard } from '@midcall/testing/playwright';
import { test as base, expect } from '@playwright/test';

export { expect };

export const DESK_NUMBER = '+15550199';
const FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** `node server.js` as in production; its variables lead it to the server. */
async function openDesk(switchboard) {
  const env = { ...process.env, ...(await switchboard.env()), PORT: '0', DESK_NUMBER };
  env.TWIML_APP_SID = switchboard.applicationSid;
  const app = spawn(process.execPath, ['server.js'], { cwd: FOLDER, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(app, 'exit').then(([code]) => Promise.reject(new Error(`the desk ended with ${code}`)));
  exited.catch(() => {});
  const [line] = await Promise.race([once(createInterface({ input: app.stdout }), 'line'), exited]);
  const [url] = line.match(/http:\S+/);
  await switchboard.setVoiceUrl(`${url}/voice`);
  await switchboard.rest('POST', 'IncomingPhoneNumbers.json', { PhoneNumber: DESK_NUMBER, VoiceUrl: `${url}/voice` });
  const close = async () => {
    app.kill();
    await exited.catch(() => {});
  };
  return { url, close };
}

export const test = withSwitchboard(base, { offline: true }).extend({
  desk: [
    async ({ workerSwitchboard }, use) => {
      const desk = await openDesk(workerSwitchboard);
      await use(desk);
      await desk.close();
    },
    { scope: 'worker', auto: true },
  ],
  baseURL: async ({ desk }, use) => {
    await use(desk.url);
  },
  /** Ada at her desk, signed in. */
  ada: async ({ page }, use) => {
    await use(await AgentPage.open(page, 'ada'));
  },
  /** A customer with the app. */
  bob: async ({ switchboard }, use) => {
    await use(await switchboard.person('bob'));
  },
  /** A customer with a phone. */
  carol: async ({ switchboard }, use) => {
    await use(await switchboard.person('carol', { number: '+15550100' }));
  },
});

/** What an agent sees and does. */
export class AgentPage {
  constructor(page) {
    this.page = page;
    this.status = page.locator('#status');
    this.customer = page.getByRole('heading', { level: 2 });
    this.order = page.getByLabel('Order');
    this.context = page.getByRole('list', { name: 'Context' }).getByRole('listitem');
    this.offers = page.getByRole('list', { name: 'Sent' }).getByRole('listitem');
    this.voice = page.getByLabel("Customer's voice");
  }

  static async open(page, agent) {
    await page.goto(`/?agent=${agent}`);
    const opened = new AgentPage(page);
    await expect(opened.status).toHaveText('Ready');
    return opened;
  }

  press(button) {
    return this.page.getByRole('button', { name: button, exact: true }).click();
  }

  async answers(name) {
    await expect(this.status).toHaveText(`${name} calls`);
    await this.press('Answer');
    await expect(this.status).toHaveText('Talking');
  }

  async offer(text) {
    await this.page.getByRole('textbox', { name: 'Offer' }).fill(text);
    await this.press('Send offer');
  }
}

/** What the desk has stored about the call for an order. */
export async function storedOf(request, order) {
  const conversations = await (await request.get('/conversations')).json();
  return conversations.find((conversation) => conversation.order === order);
}
