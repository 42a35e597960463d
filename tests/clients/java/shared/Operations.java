import com.twilio.Twilio;
import com.twilio.base.ResourceSet;
import com.twilio.exception.ApiException;
import com.twilio.rest.api.v2010.account.Application;
import com.twilio.rest.api.v2010.account.Call;
import com.twilio.rest.api.v2010.account.NewKey;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessage;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessageSubscription;
import com.twilio.security.RequestValidator;
import com.twilio.type.Client;
import com.twilio.type.Twiml;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * The official Java library in the hands of the tests: a job a line on stdin, its result a line on stdout. What the jobs are,
 * says tests/clients/operations.py. What differs between versions of the library is in {@code Library}.
 */
public final class Operations {
    private static final String ACCOUNT_SID = System.getenv("TWILIO_ACCOUNT_SID");
    private static final String AUTH_TOKEN = System.getenv("TWILIO_AUTH_TOKEN");

    private interface Operation {
        JSONObject perform(JSONObject arguments);
    }

    private static final Map<String, Operation> OPERATIONS = new HashMap<>();

    static {
        OPERATIONS.put("version", job -> new JSONObject().put("version", Twilio.VERSION));
        OPERATIONS.put("create_message", Operations::createMessage);
        OPERATIONS.put("create_subscription", Operations::createSubscription);
        OPERATIONS.put("delete_subscription", Operations::deleteSubscription);
        OPERATIONS.put("create_call", Operations::createCall);
        OPERATIONS.put("fetch_call", job -> call(Call.fetcher(job.getString("sid")).fetch()));
        OPERATIONS.put("list_calls", Operations::listCalls);
        OPERATIONS.put("redirect_call", Operations::redirectCall);
        OPERATIONS.put("end_call", Operations::endCall);
        OPERATIONS.put("create_application", Operations::createApplication);
        OPERATIONS.put("create_key", Operations::createKey);
        OPERATIONS.put("read_error", Operations::readError);
        OPERATIONS.put("validate", Operations::validate);
        OPERATIONS.put("mint_token", Operations::mintToken);
    }

    private static JSONObject createMessage(JSONObject job) {
        UserDefinedMessage made =
            UserDefinedMessage.creator(job.getString("call_sid"), job.getString("content")).create();
        return event(made.getSid(), made.getCallSid(), made.getDateCreated());
    }

    private static JSONObject createSubscription(JSONObject job) {
        URI callback = URI.create(job.getString("callback"));
        UserDefinedMessageSubscription made = Library.subscription(job.getString("call_sid"), callback).create();
        return event(made.getSid(), made.getCallSid(), made.getDateCreated());
    }

    private static JSONObject event(String sid, String callSid, ZonedDateTime created) {
        return new JSONObject().put("sid", sid).put("call_sid", callSid).put("created", created.toEpochSecond());
    }

    private static JSONObject deleteSubscription(JSONObject job) {
        String callSid = job.getString("call_sid");
        boolean gone = UserDefinedMessageSubscription.deleter(callSid, job.getString("sid")).delete();
        return new JSONObject().put("gone", gone);
    }

    private static JSONObject createCall(JSONObject job) {
        Client to = new Client(job.getString("to"));
        Client from = new Client(job.getString("from_"));
        return call(Call.creator(to, from, new Twiml(job.getString("twiml"))).create());
    }

    private static JSONObject listCalls(JSONObject job) {
        ResourceSet<Call> rows = Library.calls(job.getInt("page_size")).setTo(job.getString("to")).read();
        JSONArray sids = new JSONArray();
        rows.forEach(row -> sids.put(row.getSid()));
        return new JSONObject().put("sids", sids);
    }

    private static JSONObject redirectCall(JSONObject job) {
        return call(Call.updater(job.getString("sid")).setTwiml(new Twiml(job.getString("twiml"))).update());
    }

    private static JSONObject endCall(JSONObject job) {
        return call(Call.updater(job.getString("sid")).setStatus(Call.UpdateStatus.COMPLETED).update());
    }

    private static JSONObject call(Call made) {
        return new JSONObject()
            .put("sid", made.getSid())
            .put("status", made.getStatus().toString())
            .put("to", made.getTo())
            .put("direction", made.getDirection());
    }

    private static JSONObject createApplication(JSONObject job) {
        Application made =
            Application.creator()
                .setFriendlyName(job.getString("friendly_name"))
                .setVoiceUrl(URI.create(job.getString("voice_url")))
                .create();
        return new JSONObject()
            .put("sid", made.getSid())
            .put("friendly_name", made.getFriendlyName())
            .put("voice_url", made.getVoiceUrl().toString());
    }

    private static JSONObject createKey(JSONObject job) {
        NewKey made = NewKey.creator().setFriendlyName(job.getString("friendly_name")).create();
        return new JSONObject().put("sid", made.getSid()).put("secret", made.getSecret());
    }

    private static JSONObject readError(JSONObject job) {
        try {
            Call.fetcher(job.getString("sid")).fetch();
        } catch (ApiException error) {
            return new JSONObject()
                .put("status", error.getStatusCode())
                .put("code", error.getCode())
                .put("message", error.getMessage());
        }
        return new JSONObject();
    }

    private static JSONObject validate(JSONObject job) {
        Map<String, String> parameters = new HashMap<>();
        job.getJSONObject("parameters").toMap().forEach((name, value) -> parameters.put(name, (String) value));
        boolean valid =
            new RequestValidator(AUTH_TOKEN).validate(job.getString("url"), parameters, job.getString("signature"));
        return new JSONObject().put("valid", valid);
    }

    private static JSONObject mintToken(JSONObject job) {
        return new JSONObject()
            .put("token", Library.token(job.getString("identity"), job.getString("application_sid")).toJwt());
    }

    private static JSONObject perform(String line) {
        JSONObject job = new JSONObject(line);
        try {
            Operation operation = OPERATIONS.get(job.getString("operation"));
            return new JSONObject().put("answer", operation.perform(job.getJSONObject("arguments")));
        } catch (RuntimeException error) {
            return new JSONObject().put("failure", error.toString());
        }
    }

    public static void main(String[] unused) throws Exception {
        Twilio.init(ACCOUNT_SID, AUTH_TOKEN);
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream results = new PrintStream(System.out, true, "UTF-8");
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            results.println(perform(line));
        }
    }
}
