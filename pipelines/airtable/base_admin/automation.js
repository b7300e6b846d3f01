// Airtable automation → action "Run a script". It starts Reelgrid for the row that triggered the automation.
//
// Left panel, Input variables:  recordId = "Airtable record ID" of the trigger step
// Left panel, Secrets:          REELGRID_KEY = a key of this deployment (flask keys create NAME)
//
// Reelgrid answers at once and works on its own; what happens then is written into the row. Starting the same row
// twice gives the same run.
const SERVICE_URL = __SERVICE_URL__;
const TABLE = __TABLE__;

const {recordId} = input.config();
if (!recordId) {
  throw new Error('Add the input variable recordId: "Airtable record ID" of the trigger step.');
}

const answer = await fetch(`${SERVICE_URL}/api/process-record`, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    Authorization: `Bearer ${input.secret('REELGRID_KEY')}`,
  },
  body: JSON.stringify({base_id: base.id, table: base.getTable(TABLE).id, record_id: recordId}),
});
const text = await answer.text();
if (!answer.ok) {
  // A script that ends in an error makes Airtable mail the automation's last editor.
  throw new Error(`Reelgrid answered ${answer.status}: ${text.slice(0, 300)}`);
}

const run = JSON.parse(text);
console.log(`${run.existing ? 'Already running' : 'Started'}: ${run.page_url || run.status_url}`);
output.set('run_id', run.run_id);
output.set('page_url', run.page_url || null);
